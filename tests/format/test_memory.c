/* Buffers that grow: what is used stays, on both sides of the size from which they are on huge pages. */
#include "ngt/memory.h"

#include "t.h"

static uint8_t byte_at(uint64_t i)
{
    return (uint8_t)(i * 2654435761u >> 13);
}

T_CASE(what_is_used_stays)
{
    uint8_t *memory = NULL;
    uint64_t used = 0, room = 0;

    for (uint64_t size = 1; size < 40u << 20; size = size * 3 / 2 + 1) {
        uint8_t *grown = ngt_grow(memory, used, size);
        T_REQUIRE(grown);
        memory = grown;
        room = size;
        /* all but the last eighth of it: the rest need not stay */
        for (uint64_t i = used; i < room - room / 8; i++)
            memory[i] = byte_at(i);
        used = room - room / 8;
        memset(memory + used, 0xEE, room - used);
        for (uint64_t i = 0; i < used; i++)
            T_REQUIRE(memory[i] == byte_at(i));
    }
    T_TRUE(room > 20u << 20);
    free(memory);
}

T_CASE(no_memory)
{
    uint8_t *memory = ngt_grow(NULL, 0, 10);

    T_REQUIRE(memory);
    memory[9] = 7;
    T_TRUE(ngt_grow(memory, 10, UINT64_MAX) == NULL);
    T_EQ_U64(memory[9], 7); /* as it was */
    free(memory);
}

int main(int argc, char **argv)
{
    return t_main(argc, argv);
}
