package api

import (
	"bytes"
	"context"

	"tenantcatalogue/cmd/internal/auth"
	"tenantcatalogue/events"
	"tenantcatalogue/projectors/history"
	"tenantcatalogue/projectors/viewdb"
)

// ExportRequest asks for a piece of the log as a file has it. The pieces put
// together are the file: the next request names After, Skip and UpTo of the
// answer before.
type ExportRequest struct {
	After  events.Seq `json:"after_seq"`       // the last event that is had
	Skip   int        `json:"skip,omitzero"`   // bytes that are had of the one after it
	UpTo   events.Seq `json:"up_to,omitzero"`  // 0: up to the last event there is now
	Sealed bool       `json:"sealed,omitzero"` // leave personal fields sealed
}

// ExportResponse is a piece of the file.
type ExportResponse struct {
	After events.Seq `json:"after_seq"`
	Skip  int        `json:"skip,omitzero"`
	UpTo  events.Seq `json:"up_to"` // the file is whole when After is this one
	Data  []byte     `json:"data"`  // of the file: a CloudEvent a line
}

// exportPiece is how long a piece of the file is; JSON makes it a third longer.
const exportPiece = 600 << 10

// Export gives the log as a file of CloudEvents, piece by piece, with everything
// the catalogue has added. A line may be longer than a piece.
func (a *API) Export(ctx context.Context, who auth.Caller, req ExportRequest) (out ExportResponse, err error) {
	if err := operator(who); err != nil {
		return out, err
	}
	if err := a.waitForHead(ctx); err != nil {
		return out, err
	}
	if req.Sealed {
		who = auth.Anonymous()
	}
	out = ExportResponse{After: req.After, UpTo: req.UpTo, Data: []byte{}}
	err = history.View(a.sys.History, func(r *history.Reader) error {
		if out.UpTo == 0 {
			out.UpTo = r.Head()
		}
		if req.After > out.UpTo || out.UpTo > r.Head() {
			return badField("up_to", "is %d and after_seq %d; the last event is %d", out.UpTo, req.After, r.Head())
		}
		return r.Read(req.After, out.UpTo, func(s events.Stored) error {
			if err := ctx.Err(); err != nil {
				return err
			}
			return a.exportEvent(who, s, req.Skip, &out)
		})
	})
	return out, err
}

func (a *API) exportEvent(who auth.Caller, s events.Stored, skip int, out *ExportResponse) error {
	raw, err := a.CloudEvent(who, s)
	if err != nil {
		return err
	}
	line := bytes.Join([][]byte{raw, nil}, []byte{'\n'})
	if len(out.Data) > 0 || out.After+1 != s.Seq {
		skip = 0 // it is for the first one only
	}
	if skip > len(line) {
		return badField("skip", "is %d, event %d has %d bytes", skip, s.Seq, len(line))
	}
	line = line[skip:]
	room := exportPiece - len(out.Data)
	if len(line) > room {
		out.Data = append(out.Data, line[:room]...)
		out.Skip = skip + room
		return viewdb.ErrStop
	}
	out.Data = append(out.Data, line...)
	out.After = s.Seq
	return nil
}
