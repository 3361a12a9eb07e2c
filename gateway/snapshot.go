package gateway

// Form is the form in which a snapshot holds a field; None if it is not in it. It
// is what a reader of the bytes would say, and knows nothing of how they were made.
func (c Capacity) Form(f Field) Form {
	switch f {
	case FieldMaximum:
		return exactIf(anyPlaces(c.Places, func(p CapacityPlaces) bool { return p.Maximum != nil }))
	case FieldAvailable:
		return availability(c.Places)
	case FieldAllotments:
		return exactIf(len(c.Allotments) > 0)
	case FieldAllotmentsAvailable:
		widest := None
		for _, a := range c.Allotments {
			for _, p := range a.Places {
				if form := p.form(); widest.Wider(form) {
					widest = form
				}
			}
		}
		return widest
	case FieldStatus:
		if c.Status != "" {
			return Banded
		}
		return None
	}
	return exactIf(c.holds(f))
}

func exactIf(held bool) Form {
	if held {
		return Exact
	}
	return None
}

func anyPlaces(all []CapacityPlaces, is func(CapacityPlaces) bool) bool {
	for _, p := range all {
		if is(p) {
			return true
		}
	}
	return false
}

// availability is the form of what a snapshot says of free places. Where it only
// names dagdelen, that is the least that the field shows.
func availability(all []CapacityPlaces) Form {
	widest := None
	for _, p := range all {
		form := p.form()
		if form == None && p.Maximum == nil {
			form = Public
		}
		if widest.Wider(form) {
			widest = form
		}
	}
	return widest
}

// form is that of the free places of one dagdeel.
func (p CapacityPlaces) form() Form {
	switch {
	case p.Available != nil:
		return Exact
	case p.Band == Plek || p.Band == GeenPlek:
		return Public
	case p.Band != "":
		return Banded
	}
	return None
}

// holds tells whether a field that has one form only is in a snapshot.
func (c Capacity) holds(f Field) bool {
	switch f {
	case FieldTitle:
		return c.Title != ""
	case FieldWerksoorten:
		return len(c.Werksoorten) > 0
	case FieldTrajectsoort:
		return c.Trajectsoort != ""
	case FieldDienstverband:
		return c.Dienstverband != ""
	case FieldDoelgroepen:
		return len(c.Doelgroepen) > 0
	case FieldGrondslag:
		return c.Grondslag != ""
	case FieldFunctionaliteit:
		return c.Functionaliteit != ""
	case FieldFase:
		return c.Fase != Range{}
	case FieldTrede:
		return c.Trede != Range{}
	case FieldBegeleiding:
		return c.Begeleiding != Begeleiding{}
	case FieldAddress:
		return c.Location.Address != Address{}
	case FieldPostcode:
		return c.Location.Postcode != ""
	case FieldGemeente:
		return c.Location.Gemeente != ""
	case FieldCoordinates:
		return c.Location.Coordinates != nil
	case FieldContact:
		return c.Contact != Contact{}
	case FieldAccessibility:
		return len(c.Accessibility) > 0
	}
	return false
}
