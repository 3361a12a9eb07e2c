package adapters

// Encode writes the mapping as a file with comments that ParseMapping reads.
func (m Mapping) Encode() []byte { return nil }
