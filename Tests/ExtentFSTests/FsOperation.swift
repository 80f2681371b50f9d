import ExtentFS
import TestSupport

/// One step of a random test of the filesystem, in words that mean something wherever it stands.
/// Offsets and counts are in units of 1 KiB.
enum FsOperation: CustomStringConvertible {
  case create(Int)
  case unlink(Int)
  case write(Int, at: Int, count: Int, value: UInt8)
  case truncate(Int, to: Int)
  case allocate(Int, AllocateMode, at: Int, count: Int, keepsSize: Bool)
  /// Pages.
  case clone(Int, page: Int, count: Int, to: Int, at: Int)
  case sync(Int)
  case map(process: Int, file: Int, isShared: Bool)
  case unmap(process: Int)
  case load(process: Int, at: Int)
  case store(process: Int, at: Int, value: UInt8)
  /// Somebody takes a reference to the page that a process has there.
  case pin(process: Int, at: Int)
  case unpin
  case collect

  static let files = 3
  static let processes = 4
  static let units = 64

  /// Three files with something in them, each mapped, so that few steps are spent on getting there.
  static let beginning: [FsOperation] = [
    .create(0), .create(1), .create(2), .write(0, at: 0, count: 40, value: 1),
    .write(1, at: 4, count: 48, value: 2), .map(process: 0, file: 0, isShared: true),
    .map(process: 1, file: 1, isShared: true), .map(process: 2, file: 0, isShared: true),
  ]

  static func random(using generator: inout SeededGenerator) -> FsOperation {
    let file = Int.random(in: 0..<files, using: &generator)
    let process = Int.random(in: 0..<processes, using: &generator)
    let at = Int.random(in: 0..<units, using: &generator)
    let count = Int.random(in: 1...24, using: &generator)
    let value = UInt8.random(in: 1...255, using: &generator)
    switch Int.random(in: 0..<40, using: &generator) {
    case 0..<3: return .create(file)
    case 3: return .unlink(file)
    case 4..<9: return .write(file, at: at, count: count, value: value)
    case 9..<11: return .truncate(file, to: at)
    case 11..<15:
      let modes: [AllocateMode] = [.allocate, .punchHole, .zeroRange, .unshareRange]
      return .allocate(
        file, modes.randomElement(using: &generator)!, at: at, count: count,
        keepsSize: Bool.random(using: &generator))
    case 15..<19:
      return .clone(
        file, page: at / 4, count: Int.random(in: 1...8, using: &generator),
        to: Int.random(in: 0..<files, using: &generator),
        at: Int.random(in: 0..<units / 4, using: &generator))
    case 19: return .sync(file)
    case 20..<24:
      return .map(
        process: process, file: file,
        isShared: Int.random(in: 0..<4, using: &generator) > 0)
    case 24: return .unmap(process: process)
    case 25..<30: return .load(process: process, at: at)
    case 30..<36: return .store(process: process, at: at, value: value)
    case 36: return .pin(process: process, at: at)
    case 37..<39: return .unpin
    default: return .collect
    }
  }

  var simpler: [FsOperation] {
    switch self {
    case .write(let file, let at, let count, let value) where count > 1:
      [.write(file, at: at, count: count / 2, value: value)]
    case .allocate(let file, let mode, let at, let count, let keeps) where count > 1:
      [.allocate(file, mode, at: at, count: count / 2, keepsSize: keeps)]
    case .clone(let from, let page, let count, let to, let at) where count > 1:
      [.clone(from, page: page, count: count / 2, to: to, at: at)]
    default: []
    }
  }

  var description: String {
    switch self {
    case .create(let file): "create(\(file))"
    case .unlink(let file): "unlink(\(file))"
    case .write(let file, let at, let count, let value):
      "write(\(file), at: \(at), count: \(count), value: \(value))"
    case .truncate(let file, let to): "truncate(\(file), to: \(to))"
    case .allocate(let file, let mode, let at, let count, let keeps):
      "allocate(\(file), .\(mode), at: \(at), count: \(count), keepsSize: \(keeps))"
    case .clone(let from, let page, let count, let to, let at):
      "clone(\(from), page: \(page), count: \(count), to: \(to), at: \(at))"
    case .sync(let file): "sync(\(file))"
    case .map(let process, let file, let isShared):
      "map(process: \(process), file: \(file), isShared: \(isShared))"
    case .unmap(let process): "unmap(process: \(process))"
    case .load(let process, let at): "load(process: \(process), at: \(at))"
    case .store(let process, let at, let value):
      "store(process: \(process), at: \(at), value: \(value))"
    case .pin(let process, let at): "pin(process: \(process), at: \(at))"
    case .unpin: "unpin"
    case .collect: "collect"
    }
  }
}
