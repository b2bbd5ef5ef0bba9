#include "textflag.h"

// Each lane holds its state in two registers as the instructions want it, {a,b,e,f} and {c,d,g,h} from the top down,
// and the last sixteen words of its message schedule in four:
//
//	lane a: ABEF X1, CDGH X2, words X3 to X6, message at SI
//	lane b: ABEF X7, CDGH X8, words X9 to X12, message at DI
//
// X0 is where SHA256RNDS2 takes words plus constants from, X13 and X14 are spare, X15 swaps the bytes of words, AX points
// to the constants, CX counts the blocks.

// BEGIN does rounds 4i and 4i+1 of one lane, whose words are in cur, END the two after them.
#define BEGIN(cur, i, abef, cdgh) \
	MOVOU (16*i)(AX), X0; \
	PADDD cur, X0; \
	SHA256RNDS2 X0, abef, cdgh

#define END(abef, cdgh) \
	PSHUFD $0x0e, X0, X0; \
	SHA256RNDS2 X0, cdgh, abef

// LOAD reads four words of the message.
#define LOAD(from, i, into) \
	MOVOU (16*i)(from), into; \
	PSHUFB X15, into

// LAST ends the computation of four words of the schedule in next, from the two before them: W[t-7] and s1(W[t-2]).
#define LAST(cur, prev, next) \
	MOVO cur, X13; \
	PALIGNR $4, prev, X13; \
	PADDD X13, next; \
	SHA256MSG2 cur, next

// FIRST begins it, in place of the words sixteen before: W[t-16] and s0(W[t-15]).
#define FIRST(cur, prev) SHA256MSG1 cur, prev

// ENTER and LEAVE turn the state in memory into what the instructions want, and back.
#define ENTER(state, abef, cdgh) \
	MOVOU (state), abef; \
	MOVOU 16(state), cdgh; \
	PSHUFD $0xb1, abef, abef; \
	PSHUFD $0x1b, cdgh, cdgh; \
	MOVO abef, X13; \
	PALIGNR $8, cdgh, abef; \
	PBLENDW $0xf0, X13, cdgh

#define LEAVE(state, abef, cdgh) \
	PSHUFD $0x1b, abef, abef; \
	PSHUFD $0xb1, cdgh, cdgh; \
	MOVO abef, X13; \
	PBLENDW $0xf0, cdgh, abef; \
	PALIGNR $8, X13, cdgh; \
	MOVOU abef, (state); \
	MOVOU cdgh, 16(state)

// func blocks(a, b *State, p, q *byte, n int)
TEXT ·blocks(SB), NOSPLIT, $64-40
	MOVQ a+0(FP), DX
	MOVQ b+8(FP), BX
	MOVQ p+16(FP), SI
	MOVQ q+24(FP), DI
	MOVQ n+32(FP), CX
	LEAQ constants<>(SB), AX
	MOVOU swap<>(SB), X15
	ENTER(DX, X1, X2)
	ENTER(BX, X7, X8)

loop:
	MOVOU X1, 0(SP)
	MOVOU X2, 16(SP)
	MOVOU X7, 32(SP)
	MOVOU X8, 48(SP)

	// rounds 0 to 3
	LOAD(SI, 0, X3)
	BEGIN(X3, 0, X1, X2)
	END(X1, X2)
	LOAD(DI, 0, X9)
	BEGIN(X9, 0, X7, X8)
	END(X7, X8)

	// rounds 4 to 7
	LOAD(SI, 1, X4)
	BEGIN(X4, 1, X1, X2)
	END(X1, X2)
	FIRST(X4, X3)
	LOAD(DI, 1, X10)
	BEGIN(X10, 1, X7, X8)
	END(X7, X8)
	FIRST(X10, X9)

	// rounds 8 to 11
	LOAD(SI, 2, X5)
	BEGIN(X5, 2, X1, X2)
	END(X1, X2)
	FIRST(X5, X4)
	LOAD(DI, 2, X11)
	BEGIN(X11, 2, X7, X8)
	END(X7, X8)
	FIRST(X11, X10)

	// rounds 12 to 15
	LOAD(SI, 3, X6)
	BEGIN(X6, 3, X1, X2)
	LAST(X6, X5, X3)
	END(X1, X2)
	FIRST(X6, X5)
	LOAD(DI, 3, X12)
	BEGIN(X12, 3, X7, X8)
	LAST(X12, X11, X9)
	END(X7, X8)
	FIRST(X12, X11)

	// rounds 16 to 19
	BEGIN(X3, 4, X1, X2)
	LAST(X3, X6, X4)
	END(X1, X2)
	FIRST(X3, X6)
	BEGIN(X9, 4, X7, X8)
	LAST(X9, X12, X10)
	END(X7, X8)
	FIRST(X9, X12)

	// rounds 20 to 23
	BEGIN(X4, 5, X1, X2)
	LAST(X4, X3, X5)
	END(X1, X2)
	FIRST(X4, X3)
	BEGIN(X10, 5, X7, X8)
	LAST(X10, X9, X11)
	END(X7, X8)
	FIRST(X10, X9)

	// rounds 24 to 27
	BEGIN(X5, 6, X1, X2)
	LAST(X5, X4, X6)
	END(X1, X2)
	FIRST(X5, X4)
	BEGIN(X11, 6, X7, X8)
	LAST(X11, X10, X12)
	END(X7, X8)
	FIRST(X11, X10)

	// rounds 28 to 31
	BEGIN(X6, 7, X1, X2)
	LAST(X6, X5, X3)
	END(X1, X2)
	FIRST(X6, X5)
	BEGIN(X12, 7, X7, X8)
	LAST(X12, X11, X9)
	END(X7, X8)
	FIRST(X12, X11)

	// rounds 32 to 35
	BEGIN(X3, 8, X1, X2)
	LAST(X3, X6, X4)
	END(X1, X2)
	FIRST(X3, X6)
	BEGIN(X9, 8, X7, X8)
	LAST(X9, X12, X10)
	END(X7, X8)
	FIRST(X9, X12)

	// rounds 36 to 39
	BEGIN(X4, 9, X1, X2)
	LAST(X4, X3, X5)
	END(X1, X2)
	FIRST(X4, X3)
	BEGIN(X10, 9, X7, X8)
	LAST(X10, X9, X11)
	END(X7, X8)
	FIRST(X10, X9)

	// rounds 40 to 43
	BEGIN(X5, 10, X1, X2)
	LAST(X5, X4, X6)
	END(X1, X2)
	FIRST(X5, X4)
	BEGIN(X11, 10, X7, X8)
	LAST(X11, X10, X12)
	END(X7, X8)
	FIRST(X11, X10)

	// rounds 44 to 47
	BEGIN(X6, 11, X1, X2)
	LAST(X6, X5, X3)
	END(X1, X2)
	FIRST(X6, X5)
	BEGIN(X12, 11, X7, X8)
	LAST(X12, X11, X9)
	END(X7, X8)
	FIRST(X12, X11)

	// rounds 48 to 51
	BEGIN(X3, 12, X1, X2)
	LAST(X3, X6, X4)
	END(X1, X2)
	FIRST(X3, X6)
	BEGIN(X9, 12, X7, X8)
	LAST(X9, X12, X10)
	END(X7, X8)
	FIRST(X9, X12)

	// rounds 52 to 55
	BEGIN(X4, 13, X1, X2)
	LAST(X4, X3, X5)
	END(X1, X2)
	BEGIN(X10, 13, X7, X8)
	LAST(X10, X9, X11)
	END(X7, X8)

	// rounds 56 to 59
	BEGIN(X5, 14, X1, X2)
	LAST(X5, X4, X6)
	END(X1, X2)
	BEGIN(X11, 14, X7, X8)
	LAST(X11, X10, X12)
	END(X7, X8)

	// rounds 60 to 63
	BEGIN(X6, 15, X1, X2)
	END(X1, X2)
	BEGIN(X12, 15, X7, X8)
	END(X7, X8)

	MOVOU 0(SP), X13
	PADDD X13, X1
	MOVOU 16(SP), X14
	PADDD X14, X2
	MOVOU 32(SP), X13
	PADDD X13, X7
	MOVOU 48(SP), X14
	PADDD X14, X8
	ADDQ $64, SI
	ADDQ $64, DI
	DECQ CX
	JNZ loop

	LEAVE(DX, X1, X2)
	LEAVE(BX, X7, X8)
	RET

// func cpuid(leaf, sub uint32) (eax, ebx, ecx, edx uint32)
TEXT ·cpuid(SB), NOSPLIT, $0-24
	MOVL leaf+0(FP), AX
	MOVL sub+4(FP), CX
	CPUID
	MOVL AX, eax+8(FP)
	MOVL BX, ebx+12(FP)
	MOVL CX, ecx+16(FP)
	MOVL DX, edx+20(FP)
	RET

// The order of bytes that makes little-endian words of big-endian ones.
DATA swap<>+0(SB)/8, $0x0405060700010203
DATA swap<>+8(SB)/8, $0x0c0d0e0f08090a0b
GLOBL swap<>(SB), RODATA|NOPTR, $16

// The constants of FIPS 180-4, 4.2.2, two in each word.
DATA constants<>+0(SB)/8, $0x71374491428a2f98
DATA constants<>+8(SB)/8, $0xe9b5dba5b5c0fbcf
DATA constants<>+16(SB)/8, $0x59f111f13956c25b
DATA constants<>+24(SB)/8, $0xab1c5ed5923f82a4
DATA constants<>+32(SB)/8, $0x12835b01d807aa98
DATA constants<>+40(SB)/8, $0x550c7dc3243185be
DATA constants<>+48(SB)/8, $0x80deb1fe72be5d74
DATA constants<>+56(SB)/8, $0xc19bf1749bdc06a7
DATA constants<>+64(SB)/8, $0xefbe4786e49b69c1
DATA constants<>+72(SB)/8, $0x240ca1cc0fc19dc6
DATA constants<>+80(SB)/8, $0x4a7484aa2de92c6f
DATA constants<>+88(SB)/8, $0x76f988da5cb0a9dc
DATA constants<>+96(SB)/8, $0xa831c66d983e5152
DATA constants<>+104(SB)/8, $0xbf597fc7b00327c8
DATA constants<>+112(SB)/8, $0xd5a79147c6e00bf3
DATA constants<>+120(SB)/8, $0x1429296706ca6351
DATA constants<>+128(SB)/8, $0x2e1b213827b70a85
DATA constants<>+136(SB)/8, $0x53380d134d2c6dfc
DATA constants<>+144(SB)/8, $0x766a0abb650a7354
DATA constants<>+152(SB)/8, $0x92722c8581c2c92e
DATA constants<>+160(SB)/8, $0xa81a664ba2bfe8a1
DATA constants<>+168(SB)/8, $0xc76c51a3c24b8b70
DATA constants<>+176(SB)/8, $0xd6990624d192e819
DATA constants<>+184(SB)/8, $0x106aa070f40e3585
DATA constants<>+192(SB)/8, $0x1e376c0819a4c116
DATA constants<>+200(SB)/8, $0x34b0bcb52748774c
DATA constants<>+208(SB)/8, $0x4ed8aa4a391c0cb3
DATA constants<>+216(SB)/8, $0x682e6ff35b9cca4f
DATA constants<>+224(SB)/8, $0x78a5636f748f82ee
DATA constants<>+232(SB)/8, $0x8cc7020884c87814
DATA constants<>+240(SB)/8, $0xa4506ceb90befffa
DATA constants<>+248(SB)/8, $0xc67178f2bef9a3f7
GLOBL constants<>(SB), RODATA|NOPTR, $256
