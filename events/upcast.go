package events

import "strings"

// Upcast brings a payload to the newest version of its type. It is total over
// every version that ever was.
func Upcast(p Payload) (Payload, error) {
	for {
		d, err := lookup(p.EventType())
		if err != nil {
			return nil, err
		}
		if d.upcast == nil {
			return p, nil
		}
		if p, err = d.upcast(p); err != nil {
			return nil, err
		}
	}
}

func licenseV1ToV2(p Payload) (Payload, error) {
	old, ok := p.(ProductLicenseUpdatedV1)
	if !ok {
		return nil, malformed("data", "%T is no product.license_updated.v1", p)
	}
	edition, state, _ := strings.Cut(old.License, "/")
	seats := uint64(UnlimitedSeats)
	if old.Users >= 0 {
		seats = uint64(old.Users)
	}
	return ProductLicenseUpdated{Product: old.Product, Edition: edition, Seats: seats, Active: state != "inactive"}, nil
}
