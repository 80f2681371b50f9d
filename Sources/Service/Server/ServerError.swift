public import FuseMount
public import Medium
public import NvdimmBus
public import SystemPackage

/// Why a server cannot begin: what failed, on what, what to do.
public enum ServerError: Error {
  case medium(MediumError)
  /// Two devices on one file.
  case namedTwice(String)
  case sysfs(SysfsError)
  case tooManyDevices(Int)
  case socketInUse(String)
  case socketNameTooLong(String)
  case userfaultfd(Errno)
  case userfaultfdFeatures
  case cpu(Int)
  case mount(MountError)
  case tooManyMounts(Int, devices: Int)
  case system(call: String, path: String, Errno)
}

extension ServerError: CustomStringConvertible {
  public var description: String {
    switch self {
    case .medium(let error): "\(error)"
    case .namedTwice(let path):
      "\(path) is named for two devices; give each --device a medium of its own"
    case .sysfs(let error): "\(error)"
    case .tooManyDevices(let count): "\(count) devices asked for, at most 64 can be; leave some out"
    case .socketInUse(let path):
      "socket \(path) is in use; stop the server there, or give another --socket (a stale file may be removed)"
    case .socketNameTooLong(let path):
      "socket \(path): the name is over 107 bytes; give a shorter --socket"
    case .userfaultfd(.noFunction):
      "this kernel has no userfaultfd (CONFIG_USERFAULTFD); softdax check says what else is missing"
    case .userfaultfd(let errno):
      "userfaultfd is not permitted (\(errno)): run as root, or sysctl vm.unprivileged_userfaultfd=1, or give access "
        + "to /dev/userfaultfd; in a container its seccomp profile must allow it"
    case .userfaultfdFeatures:
      "this kernel's userfaultfd lacks minor faults on shmem: Linux 5.14 or later is needed; softdax check lists it"
    case .cpu(let cpu):
      "CPU \(cpu) is not one that this process may run on; taskset -p $$ shows which are"
    case .mount(let error): "\(error)"
    case .tooManyMounts(let count, let devices):
      "\(count) filesystems asked for, and \(devices) devices to keep them on; give as many --device"
    case .system(let call, let path, let errno): "\(call) \(path): \(errno)"
    }
  }
}
