// A small design with some of everything: a counter, a multiplier, a state machine, parity.
module counter(input clk, input go, input [3:0] a, output reg [7:0] q, output reg busy, output parity);
  reg [1:0] state = 0;
  reg [7:0] total = 0;
  wire [7:0] product = a * (a + 4'd3);
  assign parity = ^q;
  always @(posedge clk) begin
    case (state)
      0: if (go) begin state <= 1; busy <= 1; total <= 0; end
      1: begin total <= total + product; if (total[7]) state <= 2; end
      2: begin q <= total ^ {total[0], total[7:1]}; state <= 3; end
      default: begin busy <= 0; state <= 0; end
    endcase
  end
endmodule
