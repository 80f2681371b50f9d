internal import CWire
internal import PmemBase

extension KernelBehavior {
  /// As in the C header.
  var wire: UInt32 {
    switch self {
    case .v6_1: SD_KERNEL_6_1.rawValue
    case .v6_12: SD_KERNEL_6_12.rawValue
    case .v7_2: SD_KERNEL_7_2.rawValue
    }
  }
}
