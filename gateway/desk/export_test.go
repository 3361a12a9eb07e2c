package desk

// HistoryText is what the report for an inhabitant makes of an entry.
var HistoryText = (*Desk).historyText
