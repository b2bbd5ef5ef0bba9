// Command foreground runs a program so that Ctrl-C under make is the program's alone:
//
//	run: build
//		@exec foreground bin/program
//
// A terminal sends its interrupt to every process of its foreground process group, and make, which is
// one of them, then ends with an error of its own however well the program ended. foreground gives the
// program a process group of its own and the terminal to that group; make hears of nothing and ends with
// the program's exit code. A signal that reaches foreground itself (a supervisor's SIGTERM, an interrupt
// for the whole group where there is no terminal) is handed on to the program once, and the program
// gets SIGTERM if foreground is killed.
//
// It exits with the program's exit code, or 128 and the signal's number if a signal ended it.
package main
