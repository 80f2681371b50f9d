#if FuseMount
  internal import CFuse
  internal import ExtentFS
  internal import Glibc
  internal import LinuxSys
  internal import Synchronization
  internal import SystemPackage

  /// A mount of the kernel's, and the threads that answer it. What they answer is `handle`'s.
  @safe final class FuseSession: @unchecked Sendable {
    // Safe and Sendable: the mount lives from init to `end`, which waits for every thread that uses it; what the threads share is
    // behind a lock of its own.

    /// Requests served at once: one that synchronizes a file medium must not hold up the others.
    private static let threadCount = 4

    private let handle: @Sendable (FuseRequest) -> FuseOutcome
    private let synchronize: @Sendable () -> Int32
    private let unremember: @Sendable (UInt64) -> Void
    private var mount: OpaquePointer?
    private let threads = Mutex<[WorkerThread]>([])
    private let invalidator = Mutex<WorkerThread?>(nil)
    /// Requests that wait until pages of a file are given back; `reply` is an address.
    private struct Waiting {
      var requests: [(request: FuseRequest, reply: UInt)] = []
      /// Whose callers have got a signal while their request was looked at again.
      var interrupted: Set<UInt> = []
      /// How often something was given back.
      var turn = 0
    }
    private let waiting = Mutex(Waiting())
    /// Answers that wait until the kernel has forgotten what they make untrue, or for a thread that may give them; `reply` is an address.
    private let stale = Mutex<
      [(node: UInt64?, request: FuseRequest, answer: FuseReply, reply: UInt)]
    >(
      [])
    private let staleCount = EventCount()
    private let isEnding = Atomic(false)

    /// - Parameters:
    ///   - handle: Answers one request; on any thread, on several at once.
    ///   - synchronize: Makes the medium durable; errno or 0.
    ///   - unremember: The kernel did not get the answer that told it of an inode.
    /// - Throws: errno, and what libfuse said.
    init(
      at directory: String, forAllUsers: Bool,
      handle: @escaping @Sendable (FuseRequest) -> FuseOutcome,
      synchronize: @escaping @Sendable () -> Int32,
      unremember: @escaping @Sendable (UInt64) -> Void
    ) throws(FuseError) {
      self.handle = handle
      self.synchronize = synchronize
      self.unremember = unremember
      var error: CInt = 0
      var message = [CChar](repeating: 0, count: 256)
      let context = unsafe Unmanaged.passUnretained(self).toOpaque()
      unsafe mount = unsafe sd_fuse_mount(
        directory, forAllUsers ? 1 : 0,
        { context, request, reply in
          let session = unsafe Unmanaged<FuseSession>.fromOpaque(context!).takeUnretainedValue()
          unsafe session.serve(request!.pointee, reply!)
        }, context, &error, &message, message.count)
      guard unsafe mount != nil else {
        let text = String(
          decoding: message.prefix { $0 != 0 }.map { UInt8(bitPattern: $0) }, as: UTF8.self)
        throw FuseError(errno: Errno(rawValue: error), message: text)
      }
    }

    /// Begins to answer.
    func start() throws(Errno) {
      for number in 0..<Self.threadCount {
        let thread = try WorkerThread(name: "softdax-fuse\(number)") { [self] in
          unsafe sd_fuse_serve(mount)
        }
        threads.withLock { $0.append(thread) }
      }
      let thread = try WorkerThread(name: "softdax-fuse-i") { [self] in invalidate() }
      invalidator.withLock { $0 = thread }
    }

    /// Answers what is in hand, unmounts, and waits for the threads. Once.
    func end() {
      guard unsafe mount != nil else { return }
      isEnding.store(true, ordering: .sequentiallyConsistent)
      unsafe sd_fuse_stop(mount)
      for thread in threads.withLock({ $0 }) { thread.join() }
      wakeWaiters()
      staleCount.advance()
      let last = invalidator.withLock { $0 }
      last?.join()
      unsafe sd_fuse_unmount(mount)
      unsafe mount = nil
    }

    // MARK: Private

    /// Tells the kernel what is not true any more, then answers. On a thread of its own: the kernel may wait for requests about the
    /// same pages meanwhile.
    private func invalidate() {
      while true {
        let seen = staleCount.current
        let isLast = isEnding.load(ordering: .sequentiallyConsistent)
        for item in stale.withLock({ items in
          defer { items = [] }
          return items
        }) {
          if !isLast, let node = item.node { _ = unsafe sd_fuse_invalidate(mount, node) }
          if let reply = unsafe UnsafeMutableRawPointer(bitPattern: item.reply) {
            if item.node == nil { unsafe stopWatching(reply) }
            unsafe send(item.answer, item.request, reply)
          }
        }
        if isLast { return }
        staleCount.wait(beyond: seen)
      }
    }

    private func serve(_ raw: sd_fuse_request, _ reply: UnsafeMutableRawPointer) {
      guard let request = FuseRequest(raw) else {
        _ = unsafe sd_fuse_reply_error(reply, ENOSYS)
        return
      }
      unsafe serve(request, reply, hasWaited: false)
    }

    private func serve(
      _ request: FuseRequest, _ reply: UnsafeMutableRawPointer, hasWaited: Bool
    ) {
      let turn = waiting.withLock { $0.turn }
      var outcome = handle(request)
      if outcome.waits, !isEnding.load(ordering: .sequentiallyConsistent) {
        return unsafe wait(request, reply, hasWaited: hasWaited, since: turn)
      }
      if hasWaited { unsafe stopWatching(reply) }
      if outcome.wakesWaiters { wakeWaiters() }
      if outcome.isDurable {
        let error = synchronize()
        if error != 0 { outcome.reply = .error(error) }
      }
      guard let node = outcome.stale else {
        unsafe send(outcome.reply, request, reply)
        return
      }
      let address = UInt(bitPattern: reply)
      stale.withLock { $0.append((node, request, outcome.reply, address)) }
      staleCount.advance()
    }

    // MARK: Waiting

    /// No thread waits: a request is answered by whoever gives pages back, or with EINTR when its caller gets a signal.
    private func wait(
      _ request: FuseRequest, _ reply: UnsafeMutableRawPointer, hasWaited: Bool, since turn: Int
    ) {
      if !hasWaited {
        unsafe sd_fuse_watch_interrupt(
          reply,
          { reply, context in
            let session = unsafe Unmanaged<FuseSession>.fromOpaque(context!).takeUnretainedValue()
            session.interrupt(UInt(bitPattern: reply))
          }, Unmanaged.passUnretained(self).toOpaque())
      }
      let address = UInt(bitPattern: reply)
      let isAsleep: Bool? = waiting.withLock { waiting in
        if waiting.interrupted.contains(address) { return nil }
        guard waiting.turn == turn else { return false }
        waiting.requests.append((request, address))
        return true
      }
      switch isAsleep {
      case true?: break
      case false?: unsafe serve(request, reply, hasWaited: true)
      case nil:
        unsafe stopWatching(reply)
        unsafe send(.error(EINTR), request, reply)
      }
    }

    /// libfuse holds the request's lock: another thread gives the answer.
    private func interrupt(_ address: UInt) {
      let found = waiting.withLock { waiting -> FuseRequest? in
        guard let index = waiting.requests.firstIndex(where: { $0.reply == address }) else {
          waiting.interrupted.insert(address)
          return nil
        }
        return waiting.requests.remove(at: index).request
      }
      guard let found else { return }
      stale.withLock { $0.append((nil, found, .error(EINTR), address)) }
      staleCount.advance()
    }

    private func stopWatching(_ reply: UnsafeMutableRawPointer) {
      unsafe sd_fuse_watch_interrupt(reply, nil, nil)
      let address = UInt(bitPattern: reply)
      _ = waiting.withLock { $0.interrupted.remove(address) }
    }

    private func wakeWaiters() {
      let all = waiting.withLock { waiting in
        waiting.turn += 1
        defer { waiting.requests = [] }
        return waiting.requests
      }
      for one in all {
        if let reply = unsafe UnsafeMutableRawPointer(bitPattern: one.reply) {
          unsafe serve(one.request, reply, hasWaited: true)
        }
      }
    }

    // MARK: Answers

    private func send(
      _ answer: FuseReply, _ request: FuseRequest, _ reply: UnsafeMutableRawPointer
    ) {
      switch answer {
      case .error(let error): _ = unsafe sd_fuse_reply_error(reply, error)
      case .nothing: unsafe sd_fuse_reply_nothing(reply)
      case .entry(let status):
        var attributes = sd_fuse_attributes(status)
        if unsafe sd_fuse_reply_entry(reply, &attributes) < 0 { unremember(status.number) }
      case .created(let status):
        var attributes = sd_fuse_attributes(status)
        if unsafe sd_fuse_reply_created(reply, &attributes, request.openFlags) < 0 {
          unremember(status.number)
        }
      case .attributes(let status):
        var attributes = sd_fuse_attributes(status)
        attributes.node = request.node
        _ = unsafe sd_fuse_reply_attributes(reply, &attributes)
      case .opened: _ = unsafe sd_fuse_reply_opened(reply, request.openFlags)
      case .bytes(let bytes):
        _ = unsafe bytes.withUnsafeBytes {
          unsafe sd_fuse_reply_bytes(reply, $0.baseAddress, $0.count)
        }
      case .text(let bytes):
        _ = unsafe (bytes + [0]).withUnsafeBytes {
          unsafe sd_fuse_reply_text(reply, $0.bindMemory(to: CChar.self).baseAddress)
        }
      case .count(let count): _ = unsafe sd_fuse_reply_count(reply, count)
      case .room(let count): _ = unsafe sd_fuse_reply_room(reply, count)
      case .offset(let offset): _ = unsafe sd_fuse_reply_offset(reply, offset)
      case .space(let status):
        var space = sd_fuse_space(
          blocks: status.blocks, free_blocks: status.freeBlocks, inodes: status.inodes,
          free_inodes: status.freeInodes)
        _ = unsafe sd_fuse_reply_space(reply, &space)
      case .control(let bytes):
        _ = unsafe bytes.withUnsafeBytes {
          unsafe sd_fuse_reply_ioctl(reply, $0.baseAddress, $0.count)
        }
      }
    }
  }

  extension FuseRequest {
    /// Total: every field is copied, an operation that nobody knows is nil.
    @safe fileprivate init?(_ raw: sd_fuse_request) {
      guard let operation = Operation(rawValue: unsafe raw.operation) else { return nil }
      self.init(operation, node: unsafe raw.node)
      unsafe user = raw.user
      unsafe group = raw.group
      unsafe openFlags = raw.open_flags
      unsafe other = raw.other
      unsafe offset = raw.offset
      unsafe otherOffset = raw.other_offset
      unsafe length = raw.length
      unsafe mode = raw.mode
      unsafe device = raw.device
      unsafe flags = raw.flags
      unsafe changes = Changes(rawValue: raw.set)
      unsafe newUser = raw.new_user
      unsafe newGroup = raw.new_group
      unsafe accessed = Timestamp(
        seconds: raw.accessed.seconds, nanoseconds: raw.accessed.nanoseconds)
      unsafe modified = Timestamp(
        seconds: raw.modified.seconds, nanoseconds: raw.modified.nanoseconds)
      if let text = unsafe raw.name {
        unsafe name = FileName(
          bytes: Array(UnsafeRawBufferPointer(start: text, count: strlen(text))))
      }
      if let text = unsafe raw.other_name {
        unsafe otherName = FileName(
          bytes: Array(UnsafeRawBufferPointer(start: text, count: strlen(text))))
      }
      if let bytes = unsafe raw.data {
        unsafe data = Array(UnsafeRawBufferPointer(start: bytes, count: raw.data_length))
      }
    }
  }

  extension sd_fuse_attributes {
    fileprivate init(_ status: NodeStatus) {
      self.init()
      let attributes = status.attributes
      node = status.number
      inode = status.number
      size = status.size
      blocks = status.blocks * 8
      mode = status.kind.mode | UInt32(attributes.mode)
      links = UInt32(clamping: status.links)
      user = attributes.user
      group = attributes.group
      device = attributes.device
      accessed = sd_fuse_time(attributes.accessed)
      modified = sd_fuse_time(attributes.modified)
      changed = sd_fuse_time(attributes.changed)
      may_be_kept = status.kind == .file ? 0 : 1
    }
  }

  extension sd_fuse_time {
    fileprivate init(_ time: Timestamp) {
      self.init(seconds: time.seconds, nanoseconds: time.nanoseconds)
    }
  }
#endif
