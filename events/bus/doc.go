// Package bus runs the NATS server that the catalogue's log lives in, and
// keeps everybody but the daemon away from the log.
//
// # Accounts
//
//	LOG        owns the stream. Entered by LogConn only; its password is made
//	           anew at each start and stays in memory.
//	GATE       the daemon's endpoints. Entered by GateConn only.
//	SERVICES   a client without credentials, or one without a role.
//	DELETERS   a credential with the delete role.
//	OPERATORS  the admin credential.
//	SYS        the server's own; nobody has a credential for it.
//
// GATE exports catalogue.v1.> and $SRV.> (discovery, so that `nats micro ls`
// works) to all clients, and catalogue.admin.v1.> to OPERATORS. LOG exports
// the live feed catalogue.feed.> and nothing else. No account has a path to
// the JetStream API of LOG.
//
// Permissions alone would not do: NATS checks the subject that a client
// publishes to, not the reply subject it names, and an answer sent to
// $JS.API.STREAM.DELETE within the log's own account deletes the log. In an
// account of its own such an answer finds nothing.
//
// What a client can still do is have the gate's answer to its request
// delivered on a subject of its own account, catalogue.feed.> included. Such a
// message has no Nats-Sequence header and no ce-id: whoever follows the feed
// takes only messages that carry both.
//
// # Who asked
//
// The imports share the client's identity: the server takes away whatever
// Nats-Request-Info header a client has sent and puts its own in, with the
// account and the user. [CallerOf] reads it. The account decides what is
// allowed, the user's name is kept with the event.
//
// # Durability
//
// An embedded bus writes every acknowledged event to disk first (SyncAlways).
// A server of somebody else's must prove that it does the same, see [Dial].
package bus
