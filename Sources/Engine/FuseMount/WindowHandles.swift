internal import DaxModel
internal import ExtentFS
internal import LinuxSys

/// Numbers that stand for files opened in some way: who knows one may map the file. Nobody can guess them.
struct WindowHandles {
  struct File: Hashable {
    let inode: UInt64
    let access: AccessMode
    /// An inode's number may be another file's later.
    let created: Timestamp
  }
  private var numbers: [File: UInt64] = [:]
  private var files: [UInt64: File] = [:]

  subscript(number: UInt64) -> File? { files[number] }

  mutating func number(of file: File, isThere: (File) -> Bool) -> UInt64 {
    if let number = numbers[file] { return number }
    if numbers.count >= 4096 {
      for old in numbers.keys.filter({ !isThere($0) }) {
        files[numbers.removeValue(forKey: old)!] = nil
      }
    }
    var number: UInt64
    repeat { number = .unguessable() } while number == 0 || files[number] != nil
    numbers[file] = number
    files[number] = file
    return number
  }
}
