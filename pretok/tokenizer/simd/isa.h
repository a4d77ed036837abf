/*
 * Which instruction set the vector loops use: scalar code, which is everywhere and is the
 * definition, or one of its twins. The one place where that is decided; ids never depend on it.
 */
#ifndef TOK_SIMD_ISA_H
#define TOK_SIMD_ISA_H

#include <stdbool.h>

#include "ngt/error.h"

enum tok_isa { TOK_SCALAR, TOK_AVX2, TOK_AVX512, TOK_NEON, TOK_ISAS }; /* the later, the better */

/* As in the variable below: "scalar", "avx2", "avx512", "neon". */
const char *tok_isa_name(enum tok_isa isa);
/* Do this build and this processor have it? */
bool tok_isa_here(enum tok_isa isa);

/* The best one here, or the one that the environment variable NGT_SIMD names, to compare with. */
enum tok_isa tok_isa_chosen(void);
/* NGT_E_UNSUPPORTED: NGT_SIMD names none that is here. tok_isa_chosen passes it over then. */
NGT_NODISCARD enum ngt_status tok_isa_check(struct ngt_error *reterr);
#endif
