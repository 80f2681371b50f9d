/// What is to be done about a touch.
public enum FaultDecision: Equatable, Sendable {
  /// Make these folios of the device visible at `address`, `length` bytes. They are marked present already: the
  /// caller has called, or calls now, `Pagemap.map` for each of them before it makes them visible, or it calls
  /// `AddressSpace.retract`.
  case install(device: Int, folios: Range<Int>, address: UInt64, length: UInt64)
  /// Another thread was first: the folio at `address` is present, wake whoever waits.
  case present(device: Int, address: UInt64, length: UInt64)
  /// The range is being changed: look again when the change is complete.
  case wait
  /// The touch is SIGBUS/BUS_ADRERR: nothing of the device belongs here. The range is the one folio slot that was
  /// touched, as far as it lies in the window.
  case beyondDevice(device: Int, address: UInt64, length: UInt64, protection: Protection)
  /// No window here.
  case unmapped
}
