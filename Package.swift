// swift-tools-version: 6.2
import PackageDescription

let settings: [SwiftSetting] = [
  .enableUpcomingFeature("ExistentialAny"),
  .enableUpcomingFeature("InternalImportsByDefault"),
  .enableUpcomingFeature("MemberImportVisibility"),
  .strictMemorySafety(),
  .treatWarning("StrictMemorySafety", as: .error),
]

/// A C target: what Swift cannot say. See CSupport/README.md.
func c(_ name: String, in folder: String = "CSupport") -> Target {
  .target(
    name: name, path: "\(folder)/\(name)",
    cSettings: [
      .define("_GNU_SOURCE"), .enableWarning("all"), .enableWarning("extra"),
      .treatAllWarnings(as: .error),
    ])
}

/// A Swift room, in the floor's folder; arrows point down only.
func room(_ name: String, on floor: String, _ dependencies: [Target.Dependency]) -> Target {
  .target(
    name: name, dependencies: dependencies, path: "Sources/\(floor)/\(name)",
    swiftSettings: settings)
}

/// The tests of one room, or of all of them together.
func tests(_ name: String, _ dependencies: [Target.Dependency]) -> Target {
  .testTarget(
    name: name, dependencies: dependencies, path: "Tests/\(name)", swiftSettings: settings)
}

let system = Target.Dependency.product(name: "SystemPackage", package: "swift-system")
let log = Target.Dependency.product(name: "Logging", package: "swift-log")
let histogram = Target.Dependency.product(name: "Histogram", package: "hdrhistogram-swift")
let arguments = Target.Dependency.product(
  name: "ArgumentParser", package: "swift-argument-parser")

let package = Package(
  name: "softdax",
  products: [.executable(name: "softdax", targets: ["softdax"])],
  traits: [
    .trait(
      name: "RealDevices",
      description: "Find and open real /dev/daxN.M through libndctl and libdaxctl."),
    .trait(
      name: "FuseMount",
      description: "Mount the filesystem of a device through libfuse3: softdax run --fs."),
    .default(enabledTraits: ["RealDevices", "FuseMount"]),
  ],
  dependencies: [
    .package(url: "https://github.com/apple/swift-argument-parser", from: "1.8.0"),
    .package(url: "https://github.com/apple/swift-log", from: "1.16.0"),
    .package(url: "https://github.com/apple/swift-system", from: "1.8.0"),
    .package(url: "https://github.com/HdrHistogram/hdrhistogram-swift", from: "0.2.0"),
  ],
  targets: [
    c("CSoftdax"),
    c("CWire"),
    .target(
      name: "CFuse", path: "CSupport/CFuse",
      cSettings: [
        .define("_GNU_SOURCE"), .define("SOFTDAX_FUSE", .when(traits: ["FuseMount"])),
        .enableWarning("all"), .enableWarning("extra"), .treatAllWarnings(as: .error),
      ],
      linkerSettings: [.linkedLibrary("fuse3", .when(traits: ["FuseMount"]))]),
    .systemLibrary(
      name: "CNdctl", path: "CSupport/CNdctl", pkgConfig: "libndctl",
      providers: [.apt(["libndctl-dev", "libdaxctl-dev"])]),

    room("PmemBase", on: "Model", []),
    room("PageModel", on: "Model", ["PmemBase"]),
    room("DaxModel", on: "Model", ["PmemBase", "PageModel", system]),
    room("OwnerIndex", on: "Model", ["PmemBase"]),
    room("ExtentFS", on: "Model", ["DaxModel", "OwnerIndex", "PageModel", "PmemBase", system]),

    room(
      "MemoryFailure", on: "Model", ["ExtentFS", "DaxModel", "OwnerIndex", "PmemBase", system]),
    room(
      "Scenario", on: "Model",
      [
        "ExtentFS", "MemoryFailure", "OwnerIndex", "DaxModel", "PageModel", "PmemBase", system,
      ]),

    room("LinuxSys", on: "Engine", ["CSoftdax", "PmemBase", system]),
    room("Latency", on: "Engine", ["CSoftdax", "PmemBase", histogram]),
    room(
      "Medium", on: "Engine",
      [
        "LinuxSys", "PmemBase", system,
        .target(name: "CNdctl", condition: .when(traits: ["RealDevices"])),
      ]),
    room("HostFilesystem", on: "Engine", ["LinuxSys", system]),
    room("NvdimmBus", on: "Engine", ["LinuxSys", "MemoryFailure", "PmemBase", system]),
    room(
      "FuseMount", on: "Engine",
      [
        "ExtentFS", "DaxModel", "MemoryFailure", "OwnerIndex", "PageModel", "Medium", "Latency",
        "LinuxSys", "PmemBase", system,
        .target(name: "CFuse", condition: .when(traits: ["FuseMount"])),
      ]),
    room(
      "FaultEngine", on: "Engine",
      [
        "FuseMount", "MemoryFailure", "DaxModel", "PageModel", "PmemBase", "Medium", "Latency",
        "LinuxSys", system,
      ]),

    room(
      "FailureEngine", on: "Engine",
      [
        "FaultEngine", "FuseMount", "MemoryFailure", "DaxModel", "PageModel", "PmemBase", "Medium",
        "LinuxSys", system,
      ]),
    room(
      "Wire", on: "Service",
      ["CWire", "LinuxSys", "MemoryFailure", "OwnerIndex", "PmemBase", "Latency", system]),
    room(
      "Server", on: "Service",
      [
        "Wire", "ExtentFS", "FailureEngine", "FaultEngine", "FuseMount", "MemoryFailure",
        "NvdimmBus", "OwnerIndex",
        "Medium", "Latency", "LinuxSys", "DaxModel", "PageModel", "PmemBase", system, log,
      ]),

    .executableTarget(
      name: "softdax",
      dependencies: [
        "Server", "Wire", "ExtentFS", "FailureEngine", "FaultEngine", "FuseMount", "HostFilesystem",
        "MemoryFailure", "Medium", "Latency", "LinuxSys", "OwnerIndex", "Scenario", "DaxModel",
        "PageModel", "PmemBase", system, log, arguments,
      ],
      path: "Sources/softdax", swiftSettings: settings),

    c("CTestSupport", in: "Tests"),
    .target(
      name: "TestSupport", dependencies: ["CTestSupport", "LinuxSys", "PmemBase", system],
      path: "Tests/TestSupport", swiftSettings: settings),
    tests("PmemBaseTests", ["PmemBase"]),
    tests("PageModelTests", ["PageModel", "PmemBase", "TestSupport"]),
    tests("DaxModelTests", ["DaxModel", "PageModel", "PmemBase", "TestSupport", system]),
    tests("MemoryFailureTests", ["MemoryFailure", "PmemBase", "TestSupport"]),
    tests(
      "ScenarioTests",
      [
        "Scenario", "ExtentFS", "MemoryFailure", "PageModel", "PmemBase", "LinuxSys", "TestSupport",
      ]),
    tests("FsDaxTests", ["DaxModel", "PageModel", "PmemBase", "TestSupport", system]),
    tests("OwnerIndexTests", ["OwnerIndex", "TestSupport"]),
    tests(
      "ExtentFSTests",
      [
        "ExtentFS", "OwnerIndex", "DaxModel", "MemoryFailure", "PageModel", "PmemBase",
        "TestSupport",
        system,
      ]),
    tests("HostFilesystemTests", ["HostFilesystem", "LinuxSys", "TestSupport", system]),
    tests("LatencyTests", ["Latency", "PmemBase"]),
    tests("NvdimmBusTests", ["NvdimmBus", "LinuxSys", "PmemBase", "TestSupport", system]),
    tests("MediumTests", ["Medium", "LinuxSys", "PmemBase", "TestSupport", system]),
    tests(
      "FaultEngineTests",
      [
        "FaultEngine", "DaxModel", "Medium", "PageModel", "PmemBase", "Latency", "LinuxSys",
        "TestSupport", system,
      ]),
    tests(
      "FailureEngineTests",
      [
        "FailureEngine", "FaultEngine", "MemoryFailure", "DaxModel", "Medium", "PageModel",
        "PmemBase", "LinuxSys", "TestSupport", system,
      ]),
    tests(
      "WireTests",
      [
        "Wire", "CWire", "Latency", "LinuxSys", "MemoryFailure", "OwnerIndex", "PmemBase",
        "TestSupport",
        system,
      ]),
    tests(
      "FuseMountTests",
      [
        "FuseMount", "ExtentFS", "DaxModel", "LinuxSys", "Medium", "MemoryFailure", "TestSupport",
        system,
      ]),
    tests(
      "IntegrationTests", ["TestSupport", "Server", "Wire", "Latency", "LinuxSys", "PmemBase"]),
  ],
  swiftLanguageModes: [.v6]
)
