# Work for the Ruby interpreter: blocks, strings, hashes, exceptions, big integers, fibers.
scale = ($scale || 1)
numbers = (1..20_000 * scale).map { |x| (x * 7919) % 10_007 }
puts "distinct: #{numbers.uniq.size}, sum of the largest: #{numbers.sort.last(10).sum}"
groups = numbers.group_by { |x| x.to_s.size }.transform_values(&:size)
puts groups.sort.map { |size, count| "#{size} digits: #{count}" }.join(", ")
text = numbers.first(500 * scale).map { |x| x.to_s(36) }.join(" ")
puts "vowels: #{text.scan(/[aeiou]/).size}, upper: #{text.upcase.gsub(/\d+/, "").squeeze.size}"
begin
  Integer("not a number")
rescue ArgumentError => error
  puts "caught #{error.message}"
end
fibonacci = Enumerator.new { |y| a, b = 0, 1; loop { y << a; a, b = b, a + b } }
puts "a Fibonacci number: #{fibonacci.take(150).last}"
puts "factorial digits: #{(1..300).inject(:*).to_s.size}"
$stdout.flush
