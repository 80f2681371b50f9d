internal import LinuxSys
internal import SystemPackage

/// Whether the preload shim can reach a program, decided from its file before it is started.
///
/// Source: `ld.so(8)` (LD_PRELOAD, secure-execution mode), `elf(5)`, `execve(2)` (scripts, set-user-ID).
struct ProgramInspection {
  /// Why it cannot: one line, to follow the program's name.
  enum Obstacle: Equatable {
    case staticallyLinked
    case go
    case notGlibc(String)
    case otherMachine
    case gainsPrivilege

    var description: String {
      switch self {
      case .staticallyLinked:
        "is statically linked, so no library can be preloaded into it; use a dynamically linked build"
      case .go:
        "is a Go program, which makes its system calls without libc; the preload shim does not see them"
      case .notGlibc(let loader):
        "uses the loader \(loader); the preload shim is built for glibc"
      case .otherMachine:
        "is not a 64-bit program of this machine; the preload shim cannot be loaded into it"
      case .gainsPrivilege:
        "gains privilege (set-user-ID, set-group-ID or file capabilities), so the loader ignores LD_PRELOAD; run it as its owner"
      }
    }
  }

  /// Looks at the file at `path`, and for a script at its interpreter.
  ///
  /// - Returns: `nil` if nothing speaks against it, or if the file is not understood: then let the kernel say.
  static func obstacle(_ path: String, depth: Int = 0) -> Obstacle? {
    if gainsPrivilege(path) { return .gainsPrivilege }
    guard let head = try? SmallFile.bytes(path, offset: 0, count: 4096) else { return nil }
    if head.starts(with: Array("#!".utf8)), depth < 4 {
      let line = head.dropFirst(2).prefix { $0 != UInt8(ascii: "\n") }
      let words = String(decoding: line, as: UTF8.self).split(separator: " ")
      return words.first.flatMap { obstacle(String($0), depth: depth + 1) }
    }
    return Elf(head, path: path).flatMap(\.obstacle)
  }

  private static func gainsPrivilege(_ path: String) -> Bool {
    guard let facts = try? ProgramFile.facts(path) else { return false }
    let setUser = facts.mode & 0o4000 != 0 && facts.user != ThisProcess.effectiveUser
    let setGroup = facts.mode & 0o2010 == 0o2010 && facts.group != ThisProcess.effectiveGroup
    return setUser || setGroup || (facts.hasCapabilities && ThisProcess.effectiveUser != 0)
  }

  /// The parts of an ELF file that matter here.
  private struct Elf {
    let is64: Bool
    let machine: UInt16
    var interpreter: String?
    var isGo = false

    init?(_ head: [UInt8], path: String) {
      guard head.count >= 64, head.starts(with: [0x7f, 0x45, 0x4c, 0x46]) else { return nil }
      is64 = head[4] == 2
      machine = UInt16(Self.number(head, 18, 2))
      guard is64 else { return }
      let table = Self.number(head, 32, 8)
      let size = Int(Self.number(head, 54, 2))
      let count = Int(Self.number(head, 56, 2))
      guard size >= 56, count < 512,
        let headers = try? SmallFile.bytes(path, offset: table, count: size * count),
        headers.count == size * count
      else { return }
      for index in 0..<count {
        let header = Array(headers[(index * size)..<((index + 1) * size)])
        let offset = Self.number(header, 8, 8)
        let length = Int(min(Self.number(header, 32, 8), 65536))
        let kind = Self.number(header, 0, 4)
        guard kind == 3 || kind == 4,
          let content = try? SmallFile.bytes(path, offset: offset, count: length)
        else { continue }
        if kind == 3 {
          interpreter = String(decoding: content.prefix { $0 != 0 }, as: UTF8.self)
        } else if Self.noteNames(content).contains("Go") {
          isGo = true
        }
      }
    }

    var obstacle: Obstacle? {
      #if arch(x86_64)
        let here: UInt16 = 62
      #elseif arch(arm64)
        let here: UInt16 = 183
      #endif
      if !is64 || machine != here { return .otherMachine }
      if isGo { return .go }
      guard let interpreter else { return .staticallyLinked }
      return interpreter.contains("ld-linux") ? nil : .notGlibc(interpreter)
    }

    private static func number(_ bytes: [UInt8], _ at: Int, _ count: Int) -> UInt64 {
      (0..<count).reduce(0) { $0 | UInt64(bytes[at + $1]) << UInt64(8 * $1) }
    }

    /// Owners of the notes in a PT_NOTE segment.
    private static func noteNames(_ bytes: [UInt8]) -> [String] {
      var names: [String] = []
      var at = 0
      while at + 12 <= bytes.count {
        let nameLength = Int(number(bytes, at, 4))
        let length = Int(number(bytes, at + 4, 4))
        let name = bytes.dropFirst(at + 12).prefix(nameLength).prefix { $0 != 0 }
        names.append(String(decoding: name, as: UTF8.self))
        at += 12 + (nameLength + 3) / 4 * 4 + (length + 3) / 4 * 4
      }
      return names
    }
  }
}
