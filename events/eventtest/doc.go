// Package eventtest is for tests that need a log: [Start] runs a real bus in
// the process, [MemoryLog] is a log without one, and [Conformance] is the
// suite that both kinds pass.
package eventtest
