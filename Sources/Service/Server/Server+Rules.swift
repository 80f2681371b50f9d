internal import DaxModel
internal import FailureEngine
internal import FaultEngine
internal import FuseMount
internal import LinuxSys
internal import Medium
public import MemoryFailure
internal import PmemBase
internal import Synchronization
internal import SystemPackage

/// Errors that a run is to meet, by rule.
extension Server {
  /// A rule that cannot be followed.
  public struct RuleFailure: Error, CustomStringConvertible {
    public let description: String
  }

  /// Carries out those of the start, and arms those that wait for a fault. Before the program is started.
  ///
  /// - Throws: ``RuleFailure`` for a device or a place that there is not, and where errors cannot be.
  public func prepare(_ rules: [InjectionRule]) throws(RuleFailure) {
    for rule in rules {
      let (device, name) = try device(of: rule)
      do throws(Errno) {
        switch rule.moment {
        case .start: try carryOut(rule, on: device)
        case .fault(let number):
          if let mount = mount(device) {
            try mount.arm(faults: number, rule)
          } else {
            try failures.arm(device: device, faults: number, PlannedError(rule))
          }
        case .milliseconds:
          guard rule.sectors(size: size(device) ?? 0) != nil else { throw .outOfRange }
        }
      } catch .outOfRange {
        throw RuleFailure(
          description: "--inject: /dev/\(name) has \((size(device) ?? 0) >> 9) sectors: "
            + "not all of these")
      } catch .resourceBusy {
        throw RuleFailure(
          description:
            "--inject as=poison: at the start no process has had the page, and the kernel does not know whose it is "
            + "(EBUSY); name a moment with fault= or time=")
      } catch  where failures.hasPanicked {
        throw RuleFailure(
          description:
            "--inject: a page failed before the program began, and vm.memory_failure_recovery is 0; "
            + "name a moment with fault= or time=")
      } catch {
        throw RuleFailure(
          description:
            "--inject: /dev/\(name) cannot have errors (\(error)): memory or a file, with 4 KiB pages, is needed"
        )
      }
    }
  }

  /// Counts time for those that wait for it: from now on. The program has been started.
  public func startTimers(_ rules: [InjectionRule]) throws(RuleFailure) {
    let begun = MonotonicClock.now
    for rule in rules {
      guard case .milliseconds(let wait) = rule.moment else { continue }
      let (device, _) = try device(of: rule)
      do throws(Errno) {
        let thread = try WorkerThread(name: "softdax-rule") { [self] in
          while MonotonicClock.now < begun + wait * 1_000_000 {
            if timers.withLock({ $0.ends }) { return }
            Pause.milliseconds(1)
          }
          do throws(Errno) {
            try carryOut(rule, on: device)
          } catch {
            if !failures.hasPanicked {
              failures.note(.ruleFailed(device: device, rule, error: error.rawValue))
            }
          }
        }
        timers.withLock { $0.threads.append(thread) }
      } catch {
        throw RuleFailure(description: "--inject: no thread for a rule: \(error)")
      }
    }
  }

  func stopTimers() {
    let threads = timers.withLock { timers in
      timers.ends = true
      defer { timers.threads = [] }
      return timers.threads
    }
    for thread in threads { thread.join() }
  }

  struct Timers {
    var threads: [WorkerThread] = []
    var ends = false
  }

  private func carryOut(_ rule: InjectionRule, on device: Int) throws(Errno) {
    guard let mount = mount(device) else {
      return try failures.carryOut(device: device, PlannedError(rule))
    }
    guard let sectors = rule.sectors(size: mount.medium.size) else { throw .outOfRange }
    try mount.inject(rule.kind, sectors: sectors, dataStays: false, process: nil)
  }

  /// The first device that is mapped itself, or of mounts if there is none; else the one that is named.
  private func device(of rule: InjectionRule) throws(RuleFailure) -> (index: Int, name: String) {
    let all = devices.map(\.name) + filesystems.indices.map(Self.mountName)
    guard let name = rule.device else { return (0, all[0]) }
    guard let index = all.firstIndex(of: name) else {
      let names = all.joined(separator: ", ")
      throw RuleFailure(description: "--inject: no device \(name); there is \(names)")
    }
    return (index, name)
  }
}
