package catalogue_test

import (
	"testing"

	"tenantcatalogue/catalogue"
	"tenantcatalogue/catalogue/catalogtest"
	"tenantcatalogue/events"
)

// FuzzFold folds whatever two events decode to over a legal history: it
// neither panics nor fails, and what it leaves can be stored and read again.
func FuzzFold(f *testing.F) {
	log := catalogtest.History(f, catalogtest.Seeded(3), 150)
	types := events.Types()
	place := map[events.Type]uint8{}
	for i, typ := range types {
		place[typ] = uint8(i)
	}
	for i, s := range log[1:] {
		f.Add(place[log[i].Type], log[i].Data, uint16(i), place[s.Type], s.Data, uint16(i+1))
	}
	before, err := catalogtest.Fold(log)
	if err != nil {
		f.Fatal(err)
	}
	f.Fuzz(func(t *testing.T, typ1 uint8, data1 []byte, about1 uint16, typ2 uint8, data2 []byte, about2 uint16) {
		facts := before.Over()
		for i, in := range []events.Stored{
			{Type: types[int(typ1)%len(types)], Data: data1, About: log[int(about1)%len(log)].About},
			{Type: types[int(typ2)%len(types)], Data: data2, About: log[int(about2)%len(log)].About},
		} {
			in.Seq, in.ID, in.Source = events.Seq(len(log)+i+1), log[i].ID, "/fuzz"
			e, err := events.Decode(in)
			if err != nil {
				continue
			}
			if err := catalogue.Fold(facts, e); err != nil {
				t.Fatal(err)
			}
			if h := facts.Heads[e.About]; h.Seq != e.Seq {
				t.Fatalf("the head is %+v after %d", h, e.Seq)
			}
			for _, entity := range facts.States[e.About] {
				raw, err := events.EncodeEntity(entity)
				if err != nil {
					t.Fatal(err)
				}
				if _, err := events.DecodeEntity(entity.EntityKey().Kind, raw); err != nil {
					t.Fatal(err)
				}
			}
		}
	})
}
