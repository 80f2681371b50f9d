/// `value` with a fixed count of decimals.
public func fixed(_ value: Double, _ decimals: Int) -> String {
  guard value.isFinite, abs(value) < 1e15 else { return "-" }
  var scale = 1.0
  for _ in 0..<decimals { scale *= 10 }
  let scaled = UInt64((abs(value) * scale).rounded())
  let unit = UInt64(scale)
  let digits = String(scaled % unit)
  let fraction = String(repeating: "0", count: max(0, decimals - digits.count)) + digits
  let sign = value < 0 && scaled > 0 ? "-" : ""
  return sign + String(scaled / unit) + (decimals > 0 ? "." + fraction : "")
}
