package restore

import "tenantcatalogue/replay/internal/inorder"

// inOrder does the work for 0 to n-1 on all processors, and calls each with the
// results in order.
func inOrder[T any](n int, work func(i int) (T, error), each func(i int, result T) error) error {
	return inorder.Count(n, work, each)
}
