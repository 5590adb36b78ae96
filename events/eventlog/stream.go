package eventlog

import (
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/nats-io/nats.go/jetstream"

	"tenantcatalogue/events"
)

// streamConfig is the stream as it must be. Whatever could take a message away
// or let somebody else put one in is off.
func streamConfig(cfg Config) jetstream.StreamConfig {
	subjects := make([]string, 0, len(events.AggregateKinds))
	for _, kind := range events.AggregateKinds {
		subjects = append(subjects, events.SubjectPrefix+kind.String()+".*")
	}
	return jetstream.StreamConfig{
		Name:               cfg.Stream,
		Description:        "The log of the tenant catalogue. Never delete, purge, edit or limit it.",
		Subjects:           subjects,
		Retention:          jetstream.LimitsPolicy,
		MaxConsumers:       -1,
		MaxMsgs:            -1,
		MaxBytes:           -1,
		MaxMsgsPerSubject:  -1,
		MaxMsgSize:         -1,
		Discard:            jetstream.DiscardNew,
		Storage:            jetstream.FileStorage,
		Replicas:           cfg.Replicas,
		Duplicates:         time.Second, // unused; a short window keeps its map small
		Compression:        jetstream.S2Compression,
		AllowDirect:        true,
		AllowAtomicPublish: true,
		DenyDelete:         true,
		DenyPurge:          true,
	}
}

// widened is the configuration of a stream that an earlier version made, with the
// subjects that have come since. It takes nothing away. ok is false when its subjects are
// not the first of those there are now, or all of them.
func widened(want, got jetstream.StreamConfig) (wide jetstream.StreamConfig, ok bool) {
	n := len(got.Subjects)
	if n >= len(want.Subjects) || !slices.Equal(got.Subjects, want.Subjects[:n]) {
		return got, false
	}
	got.Subjects = want.Subjects
	return got, drift(want, got) == nil
}

// drift compares what a log depends on. The error matches ErrDrift and names
// every difference.
func drift(want, got jetstream.StreamConfig) error {
	var diffs []string
	check := func(field string, want, got any) {
		if w, g := fmt.Sprint(want), fmt.Sprint(got); w != g {
			diffs = append(diffs, fmt.Sprintf("%s is %s and must be %s", field, g, w))
		}
	}
	check("subjects", want.Subjects, got.Subjects)
	check("retention", want.Retention, got.Retention)
	check("max_msgs", want.MaxMsgs, got.MaxMsgs)
	check("max_bytes", want.MaxBytes, got.MaxBytes)
	check("max_msgs_per_subject", want.MaxMsgsPerSubject, got.MaxMsgsPerSubject)
	check("max_age", want.MaxAge, got.MaxAge)
	check("max_msg_size", want.MaxMsgSize, got.MaxMsgSize)
	check("discard", want.Discard, got.Discard)
	check("storage", want.Storage, got.Storage)
	check("num_replicas", want.Replicas, got.Replicas)
	check("compression", want.Compression, got.Compression)
	check("sealed", want.Sealed, got.Sealed)
	check("no_ack", want.NoAck, got.NoAck)
	check("deny_delete", want.DenyDelete, got.DenyDelete)
	check("deny_purge", want.DenyPurge, got.DenyPurge)
	check("allow_rollup_hdrs", want.AllowRollup, got.AllowRollup)
	check("allow_direct", want.AllowDirect, got.AllowDirect)
	check("allow_atomic", want.AllowAtomicPublish, got.AllowAtomicPublish)
	check("allow_batched", want.AllowBatchPublish, got.AllowBatchPublish)
	check("allow_msg_ttl", want.AllowMsgTTL, got.AllowMsgTTL)
	check("allow_msg_counter", want.AllowMsgCounter, got.AllowMsgCounter)
	check("allow_msg_schedules", want.AllowMsgSchedules, got.AllowMsgSchedules)
	check("persist_mode", want.PersistMode, got.PersistMode)
	check("mirrored or sourced", false, got.Mirror != nil || len(got.Sources) > 0)
	check("transformed", false, got.SubjectTransform != nil)
	check("republished", false, got.RePublish != nil)
	if diffs == nil {
		return nil
	}
	return fmt.Errorf("%w: %s; look who changed it, then set it back with nats stream edit",
		ErrDrift, strings.Join(diffs, ", "))
}
