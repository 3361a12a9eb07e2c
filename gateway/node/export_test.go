package node

// Growth is how much the heap may grow, in percent of what is in use.
func Growth(live uint64) int { return growth(live) }
