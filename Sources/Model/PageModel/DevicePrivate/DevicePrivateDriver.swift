public import PmemBase

/// What a driver of device-private memory is asked and told: `dev_pagemap_ops`. Pages are the device's.
public protocol DevicePrivateDriver: AnyObject {
  /// A CPU has touched a page that is on the device. The driver brings it back, with more if it likes
  /// (`ProcessMemory.migrateToSystem`).
  ///
  /// - Parameters:
  ///   - page: The process's page that was touched, 4 KiB units.
  ///   - devicePage: Where it is; to be named in the migration, because the fault holds a reference of it.
  /// - Returns: false if the touch is to be SIGBUS.
  func migrateToRAM(_ memory: ProcessMemory, page: UInt64, devicePage: Int) -> Bool

  /// The last reference of a folio is gone.
  func folioFree(head: Int, size: PageSize)

  /// A folio is taken apart: once for each new tail, then once for the head with nil.
  func folioSplit(head: Int, tail: Int?)
}
