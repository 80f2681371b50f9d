/// A signal as a handler sees it.
struct Signal: Equatable, Sendable {
  enum Kind: Sendable {
    /// SIGBUS/BUS_ADRERR
    case busAddress
    /// SIGBUS/BUS_MCEERR_AR
    case actionRequired
    /// SIGBUS/BUS_MCEERR_AO
    case actionOptional
    /// SIGSEGV/SEGV_MAPERR
    case unmapped
    /// SIGSEGV/SEGV_ACCERR
    case denied
    /// SIGBUS/SI_KERNEL: the memory behind the page is lost and there is no address to tell.
    case kernel

    var isBus: Bool { self != .unmapped && self != .denied }
    var number: Int { isBus ? 7 : 11 }
    var name: String { isBus ? "SIGBUS" : "SIGSEGV" }

    var code: String {
      switch self {
      case .busAddress: "BUS_ADRERR"
      case .actionRequired: "BUS_MCEERR_AR"
      case .actionOptional: "BUS_MCEERR_AO"
      case .unmapped: "SEGV_MAPERR"
      case .denied: "SEGV_ACCERR"
      case .kernel: "SI_KERNEL"
      }
    }
  }

  let kind: Kind
  let address: UInt64
  /// log2 of what is lost; the machine-check codes only.
  var shift: UInt64?

  /// How wait(2)'s status of a process that it killed is written.
  var ending: String { "killed by signal \(kind.number) (\(kind.name))" }
}

/// A signal that a handler was called with.
struct SeenSignal: Sendable {
  let signal: Signal
  /// Whether it came out of the actor's own access to memory.
  let inAccess: Bool
}

/// What a process does with a signal.
enum Disposition: Sendable {
  case standard
  case ignore
  case handler
}
