/* --emit=json: the option table as data, for wrappers and documentation. */
#include <math.h>

#include "emit.h"
#include "table.h"
#include "ngt/json.h"

static const char *const type_names[] = {
    [CLI_TRUE] = "flag",     [CLI_FALSE] = "flag",  [CLI_STRING] = "string", [CLI_LIST] = "list",
    [CLI_U64] = "number",    [CLI_SIZE] = "size",   [CLI_DOUBLE] = "real",   [CLI_SHARE] = "share",
    [CLI_CHOICE] = "choice", [CLI_COUNT] = "count",
};

static void option(struct ngt_json_out *j, const struct cli_option *o)
{
    ngt_json_object(j);
    ngt_json_member_string(j, "name", o->name);
    if (o->letter)
        ngt_json_member_string(j, "letter", (char[]){o->letter, '\0'});
    ngt_json_member_string(j, "type", type_names[o->type]);
    if (cli_takes_value(o->type)) {
        char argument[128];
        cli_argument_text(o, argument, sizeof argument);
        ngt_json_member_string(j, "argument", argument);
    }
    if (o->fallback)
        ngt_json_member_string(j, "default", o->fallback);
    if (o->type == CLI_U64 || o->type == CLI_SIZE) {
        if (o->min || o->max)
            ngt_json_member_u64(j, "min", o->min);
        if (o->max)
            ngt_json_member_u64(j, "max", o->max);
    }
    if ((o->type == CLI_DOUBLE || o->type == CLI_SHARE) && (o->low != 0 || o->high != 0)) {
        ngt_json_member_double(j, "min", o->low);
        if (!isinf(o->high))
            ngt_json_member_double(j, "max", o->high);
    }
    if (o->type == CLI_CHOICE) {
        ngt_json_key(j, "choices");
        ngt_json_array(j);
        for (const char *const *c = o->choices; *c; c++)
            ngt_json_string(j, *c);
        ngt_json_array_end(j);
    }
    ngt_json_member_string(j, "help", o->help);
    ngt_json_member_string(j, "group", o->group ? o->group : CLI_GENERAL);
    ngt_json_object_end(j);
}

bool cli_emit_json(FILE *out, const struct cli_program *p)
{
    struct ngt_json_out j;

    ngt_json_out_init(&j, false);
    ngt_json_object(&j);
    ngt_json_member_string(&j, "name", p->name);
    ngt_json_member_string(&j, "version", p->version);
    ngt_json_member_string(&j, "summary", p->summary);
    ngt_json_key(&j, "commands");
    ngt_json_array(&j);
    for (uint64_t i = 0; i < p->command_count; i++) {
        const struct cli_command *c = &p->commands[i];
        ngt_json_object(&j);
        ngt_json_key(&j, "name");
        if (c->name)
            ngt_json_string(&j, c->name);
        else
            ngt_json_null(&j);
        if (c->operands)
            ngt_json_member_string(&j, "operands", c->operands);
        ngt_json_member_string(&j, "summary", c->summary);
        ngt_json_key(&j, "options");
        ngt_json_array(&j);
        for (const struct cli_option *o = c->options; o && o->name; o++)
            option(&j, o);
        ngt_json_array_end(&j);
        ngt_json_object_end(&j);
    }
    ngt_json_array_end(&j);
    ngt_json_object_end(&j);
    bool good = !j.failed;
    if (good) {
        fwrite(j.bytes, 1, j.size, out);
        if (j.size && j.bytes[j.size - 1] != '\n')
            fputc('\n', out);
    }
    ngt_json_out_done(&j);
    return good;
}
