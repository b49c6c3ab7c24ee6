//! The guide's first program: a function of a C library, called with a slice of structs.

upshift::bindgen!(
    "tests/programs/bindings/libc_area.wasm",
    name = Area,
    inline = r#"
        functions = ["area(corners: &[point]) -> f64"]
        structs = { point = "x: f64, y: f64" }
    "#
);

fn main() -> upshift::Result<()> {
    let mut library = Area::load()?;
    let corners = [(0.0, 0.0), (4.0, 0.0), (4.0, 3.0)].map(|(x, y)| Point { x, y });
    println!("{}", library.area(&corners)?); // 6
    Ok(())
}
