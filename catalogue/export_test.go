package catalogue

// UrgentWaiting is how many halts wait.
func (s *Service) UrgentWaiting() int { return len(s.urgent) }
