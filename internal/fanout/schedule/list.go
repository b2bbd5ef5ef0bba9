package schedule

// list is a ring of nodes that live in what they order, so that a move costs no allocation. The zero value is empty.
type list[T any] struct {
	root node[T]
	n    int
}

// node is one place in a list. It is in at most one list.
type node[T any] struct {
	prev, next *node[T]
	value      T
}

// listed says whether the node is in a list.
func (e *node[T]) listed() bool { return e.next != nil }

// front returns the first node, or nil.
func (l *list[T]) front() *node[T] {
	if l.n == 0 {
		return nil
	}
	return l.root.next
}

// after returns the node behind e, or nil at the end.
func (l *list[T]) after(e *node[T]) *node[T] {
	if e.next == &l.root {
		return nil
	}
	return e.next
}

func (l *list[T]) pushBack(e *node[T]) {
	if l.root.next == nil {
		l.root.next, l.root.prev = &l.root, &l.root
	}
	last := l.root.prev
	e.prev, e.next = last, &l.root
	last.next, l.root.prev = e, e
	l.n++
}

func (l *list[T]) remove(e *node[T]) {
	e.prev.next, e.next.prev = e.next, e.prev
	e.prev, e.next = nil, nil
	l.n--
}

// rotate moves e to the end.
func (l *list[T]) rotate(e *node[T]) {
	l.remove(e)
	l.pushBack(e)
}
