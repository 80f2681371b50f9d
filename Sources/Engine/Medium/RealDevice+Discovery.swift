internal import SystemPackage

#if RealDevices
  internal import CNdctl

  extension RealDevice {
    /// Asks libdaxctl. It reads sysfs and needs no privilege; without a device it finds no region.
    static func discover() throws(RealDeviceError) -> [RealDevice] {
      var context: OpaquePointer?
      let result = unsafe daxctl_new(&context)
      guard result == 0 else {
        throw .system(call: "daxctl_new", Errno(rawValue: -result))
      }
      defer { unsafe daxctl_unref(context) }
      var devices: [RealDevice] = []
      var region = unsafe daxctl_region_get_first(context)
      while unsafe region != nil {
        var device = unsafe daxctl_dev_get_first(region)
        while let found = unsafe device {
          unsafe devices.append(RealDevice(found))
          unsafe device = daxctl_dev_get_next(found)
        }
        unsafe region = daxctl_region_get_next(region)
      }
      return devices
    }

    /// Copies what `device` says; it lives no longer than its context.
    private init(_ device: OpaquePointer) {
      name = unsafe String(cString: daxctl_dev_get_devname(device))
      path = "/dev/" + name
      size = unsafe daxctl_dev_get_size(device)
      alignment = unsafe UInt64(daxctl_dev_get_align(device))
      // Unprivileged readers get 0, and where there is no such file libdaxctl says all ones.
      let address = unsafe daxctl_dev_get_resource(device)
      resource = address == 0 || address == .max ? nil : address
      targetNode = unsafe daxctl_dev_get_target_node(device)
      major = UInt32(bitPattern: unsafe daxctl_dev_get_major(device))
      minor = UInt32(bitPattern: unsafe daxctl_dev_get_minor(device))
      mode = unsafe daxctl_dev_get_memory(device) == nil ? .devdax : .systemRAM
      isEnabled = unsafe daxctl_dev_is_enabled(device) == 1
    }
  }
#else
  extension RealDevice {
    static func discover() throws(RealDeviceError) -> [RealDevice] { throw .notBuilt }
  }
#endif
