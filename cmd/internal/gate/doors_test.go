package gate_test

import (
	"bytes"
	"encoding/json"
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/nats-io/nats.go"

	"tenantcatalogue/catalogue/deletion/people"
	"tenantcatalogue/cmd/internal/api"
	"tenantcatalogue/cmd/internal/daemon"
	"tenantcatalogue/cmd/internal/gate"
	"tenantcatalogue/events"
	"tenantcatalogue/events/bus"
	"tenantcatalogue/events/wire"
)

// subjects is every subject of the gate. Whoever adds one looks whether a tombstone may
// follow from it: only what deletion.run starts deletes anything.
func subjects() []string {
	return strings.Fields(`
		catalogue.v1.publish catalogue.v1.read catalogue.v1.tenant.get catalogue.v1.tenant.record catalogue.v1.tenant.asof
		catalogue.v1.tenant.list catalogue.v1.lookup catalogue.v1.history catalogue.v1.schemas
		catalogue.v1.deletion.plan catalogue.v1.deletion.confirm catalogue.v1.halt
		catalogue.admin.v1.deletion.show catalogue.admin.v1.deletion.list catalogue.admin.v1.deletion.approve
		catalogue.admin.v1.deletion.rehearse catalogue.admin.v1.deletion.run catalogue.admin.v1.deletion.withdraw
		catalogue.admin.v1.halt.show catalogue.admin.v1.halt.lift
		catalogue.admin.v1.policy.show catalogue.admin.v1.policy.propose catalogue.admin.v1.policy.approve catalogue.admin.v1.policy.change
		catalogue.admin.v1.alarms catalogue.admin.v1.lien.list catalogue.admin.v1.lien.place catalogue.admin.v1.lien.lift
		catalogue.admin.v1.restore.plan catalogue.admin.v1.restore.apply catalogue.admin.v1.restore.status catalogue.admin.v1.restore.list
		catalogue.admin.v1.restore.certificate catalogue.admin.v1.diff catalogue.admin.v1.views catalogue.admin.v1.rebuild
		catalogue.admin.v1.verify catalogue.admin.v1.export
		catalogue.admin.v1.import.send catalogue.admin.v1.import.run catalogue.admin.v1.import.status`)
}

// smuggled is a tombstone in every form in which anybody could send one.
func smuggled(t *testing.T, list ...events.Event) map[string][]byte {
	t.Helper()
	forms := map[string][]byte{"batch": cloud(t, list...)}
	var stored []events.Stored
	for i, e := range list {
		raw := cloudOne(t, e)
		forms[fmt.Sprint("event ", i)] = raw
		forms[fmt.Sprint("in a field ", i)] = []byte(`{"event":` + string(raw) + `}`)
		forms[fmt.Sprint("approved ", i)] = bytes.Replace(raw, []byte(`{`), []byte(`{"approval":{},"force":true,`), 1)
		s, err := events.Encode(e)
		if err != nil {
			t.Fatal(err)
		}
		stored = append(stored, s)
	}
	w := wire.NewWriter()
	defer w.Release()
	wire.Structs(w, &stored)
	raw, err := w.Written()
	if err != nil {
		t.Fatal(err)
	}
	forms["msgpack"] = bytes.Clone(raw)
	return forms
}

// tombstones counts those in the log.
func (r *running) tombstones(t testing.TB) (found int, head events.Seq) {
	t.Helper()
	head, err := r.Log.Head(t.Context())
	if err == nil {
		err = r.Log.Read(t.Context(), 0, head, func(list []events.Stored) error {
			for _, s := range list {
				if s.Type.Tombstone() {
					found++
				}
			}
			return nil
		})
	}
	if err != nil {
		t.Fatal(err)
	}
	return found, head
}

// TestNoOtherSubject sends tombstones to every subject there is, in every form, with every
// credential: none gets into the log, and nothing else does.
func TestNoOtherSubject(t *testing.T) {
	t.Parallel()
	if diff := cmp.Diff(subjects(), gate.Subjects()); diff != "" {
		t.Fatalf("subjects that were looked at (-) and that there are (+):\n%s", diff)
	}
	r := start(t, daemon.Config{})
	f := fixture("acme")
	nc := r.connect(t)
	publish(t, nc, append(f.story(),
		f.event(0, events.AppInstalled{App: events.DeriveID[events.AppID]("acme"), Name: "asset-tracker"}), f.event(0, events.TenantDeactivated{}))...)
	crew := people.NewCrew(r.Deletions(), r.Clock)
	if _, err := crew.Propose(t.Context(), people.QuickPolicy(crew.Roster()), "begin"); err != nil {
		t.Fatal(err)
	}
	_, before := r.tombstones(t)
	forms := smuggled(t, f.event(9, events.TenantDeleted{Reason: "closed"}), f.event(9, events.AppUninstalled{App: events.DeriveID[events.AppID]("acme")}))
	for _, who := range []*bus.Credential{nil, new(writer()), new(deleter()), new(r.Admin.Credential())} {
		conn := nc
		if who != nil {
			conn = r.connect(t, *who)
		}
		for _, subject := range subjects() {
			if strings.HasPrefix(subject, "catalogue.admin.") && (who == nil || who.User != r.Admin.User) {
				continue // TestHostileService: the server does not let them
			}
			for form, raw := range forms {
				for _, contentType := range []string{"", api.TypeEvent, api.TypeMsgpack} {
					m := nats.NewMsg(subject)
					m.Data = raw
					m.Header.Set("Content-Type", contentType)
					if _, err := conn.RequestMsg(m, 20*time.Second); err != nil {
						t.Fatalf("%s of %s: %v", form, subject, err)
					}
				}
			}
		}
	}
	if found, after := r.tombstones(t); found != 0 || after != before {
		t.Errorf("%d tombstones, the log went from %d to %d", found, before, after)
	}
}

// TestNoTombstoneByImport imports tombstones as a producer's, and as a log that goes on
// from the one there is, with and without what should lead to them.
func TestNoTombstoneByImport(t *testing.T) {
	t.Parallel()
	for _, empty := range []bool{false, true} {
		r := start(t, daemon.Config{})
		f := fixture("acme")
		var before events.Seq
		if !empty {
			publish(t, r.connect(t), append(f.story(), f.event(0, events.TenantDeactivated{}))...)
			crew := people.NewCrew(r.Deletions(), r.Clock)
			if _, err := crew.Propose(t.Context(), people.QuickPolicy(crew.Roster()), "begin"); err != nil {
				t.Fatal(err)
			}
		}
		_, before = r.tombstones(t)
		admin := r.connect(t, r.Admin.Credential())
		plan := events.DeriveID[events.PlanID]("forged")
		door := events.Event{
			ID: events.DeriveID[events.EventID]("forged"), Source: "/forged", About: events.TheOne(events.AggregateDoor), Time: r.Now(), Actor: "ana",
			Payload: events.DoorPassed{Plan: plan, Kind: events.DeletionOfTenants, Wave: 1, Targets: 1},
		}
		gone := f.event(9, events.TenantDeleted{Reason: "closed"})
		for name, list := range map[string][]events.Event{
			"alone": {gone}, "after a wave": {door, gone}, "of a run": {func() events.Event { e := gone; e.Run = events.DeriveID[events.RunID]("run"); return e }()},
		} {
			for _, asLog := range []bool{false, true} {
				if report := r.importLog(t, admin, slices.Clone(list), asLog, before); report.Faults == 0 || report.Written != 0 {
					t.Errorf("%s, as a log: %v, into an empty one: %v: %+v", name, asLog, empty, report)
				}
			}
		}
		if found, after := r.tombstones(t); found != 0 || after != before {
			t.Errorf("%d tombstones, the log went from %d to %d", found, before, after)
		}
	}
}

// importLog imports events, as a log as if they stood next in it.
func (r *running) importLog(t *testing.T, admin *nats.Conn, list []events.Event, asLog bool, after events.Seq) (report api.ImportReport) {
	t.Helper()
	var file bytes.Buffer
	for i, e := range list {
		if asLog {
			e.Seq, e.RecordedTime, e.Via, e.More = after+events.Seq(i)+1, r.Now(), "deletion", uint16(len(list)-1-i)
		}
		file.Write(cloudOne(t, e))
		file.WriteByte('\n')
	}
	raw, err := json.Marshal(api.ImportSendRequest{Data: file.Bytes()})
	if err != nil {
		t.Fatal(err)
	}
	var sent api.ImportSendResponse
	if p := ask(t, admin, "catalogue.admin.v1.import.send", raw, &sent); p != nil {
		t.Fatal(p)
	}
	if p := ask(t, admin, "catalogue.admin.v1.import.run", api.ImportRunRequest{Import: sent.Import}, &report); p != nil {
		t.Fatal(p)
	}
	return report
}
