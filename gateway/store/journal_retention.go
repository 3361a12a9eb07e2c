package store

func keyReduced() []byte { return []byte("journal-reduced") } // entries of which only hashes are left
