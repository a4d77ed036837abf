/* Addresses, signatures and S3's answers: what of remote inputs needs no network. */
#include "remote/url.h"

#include "t.h"

/* ---- addresses ---- */

static const struct {
    const char *text, *host, *path, *query, *name, *whole, *shown; /* host NULL: refused */
} addresses[] = {
    {"s3://b/k", "b", "k", NULL, "k", "k", "s3://b/k"},
    {"s3://b", "b", "", NULL, "", "", "s3://b"},
    {"S3://my.bucket-1/a/b%20?c#d e", "my.bucket-1", "a/b%20?c#d e", NULL, "b%20?c#d e",
     "a/b%20?c#d e", "S3://my.bucket-1/a/b%20?c#d e"},
    {"s3://b//k", "b", "/k", NULL, "k", "k", "s3://b//k"},
    {"s3:///k", NULL, NULL, NULL, NULL, NULL, NULL},
    {"s3://", NULL, NULL, NULL, NULL, NULL, NULL},
    {"s3://b c/k", NULL, NULL, NULL, NULL, NULL, NULL},
    {"s3://me:pw@b/k", NULL, NULL, NULL, NULL, NULL, NULL},
    {"s3://b/k\nX: y", NULL, NULL, NULL, NULL, NULL, NULL},
    {"https://h:1/a/b.txt", "h:1", "/a/b.txt", NULL, "b.txt", "a/b.txt", "https://h:1/a/b.txt"},
    {"https://h", "h", "/", NULL, "", "", "https://h"},
    {"https://h?q", "h", "/", "q", "", "", "https://h?..."},
    {"http://h/x%20y%C3%A9.txt", "h", "/x%20y%C3%A9.txt", NULL, "x y\xC3\xA9.txt",
     "x y\xC3\xA9.txt", "http://h/x%20y%C3%A9.txt"},
    {"http://h/a%2Fb", "h", "/a%2Fb", NULL, "a%2Fb", "a%2Fb", "http://h/a%2Fb"},
    {"http://h/a%00b", "h", "/a%00b", NULL, "a%00b", "a%00b", "http://h/a%00b"},
    {"http://h/a%0Ab", "h", "/a%0Ab", NULL, "a%0Ab", "a%0Ab", "http://h/a%0Ab"},
    {"http://h/a%4", "h", "/a%4", NULL, "a%4", "a%4", "http://h/a%4"},
    {"http://h/a?sig=S/../x#f", "h", "/a", "sig=S/../x", "a", "a", "http://h/a?..."},
    {"http://h/a#f?g", "h", "/a", NULL, "a", "a", "http://h/a"},
    {"http://u:pw@h/a", NULL, NULL, NULL, NULL, NULL, NULL},
    {"http:///a", NULL, NULL, NULL, NULL, NULL, NULL},
    {"http://h/a b", NULL, NULL, NULL, NULL, NULL, NULL},
    {"ftp://h/a", NULL, NULL, NULL, NULL, NULL, NULL},
    {"/a/s3://b/k", NULL, NULL, NULL, NULL, NULL, NULL},
};

T_CASE(addresses)
{
    for (size_t i = 0; i < sizeof addresses / sizeof *addresses; i++) {
        struct pretok_url u = {0};
        struct ngt_error error;
        enum ngt_status status = pretok_url_parse(addresses[i].text, &u, &error);
        T_EQ_INT(status, addresses[i].host ? NGT_OK : NGT_E_DATA);
        if (status != NGT_OK) {
            T_TRUE(strstr(error.path, "pw") == NULL && strstr(error.message, "pw") == NULL);
            continue;
        }
        char *name = pretok_url_name(&u, false), *whole = pretok_url_name(&u, true),
             *shown = pretok_url_shown(addresses[i].text);
        T_EQ_STR(u.host, addresses[i].host);
        T_EQ_STR(u.path, addresses[i].path);
        T_TRUE(!u.query == !addresses[i].query);
        if (u.query)
            T_EQ_STR(u.query, addresses[i].query);
        T_EQ_STR(name, addresses[i].name);
        T_EQ_STR(whole, addresses[i].whole);
        T_EQ_STR(shown, addresses[i].shown);
        T_TRUE(pretok_url_is_cut(shown) == (u.query != NULL));
        free(name);
        free(whole);
        free(shown);
        pretok_url_done(&u);
    }
}

T_CASE(folders)
{
    T_TRUE(pretok_url_is_folder("s3://b") && pretok_url_is_folder("s3://b/") &&
           pretok_url_is_folder("s3://b/a/"));
    T_TRUE(!pretok_url_is_folder("s3://b/a") && !pretok_url_is_folder("https://h/a/") &&
           !pretok_url_is_folder("a/"));
}

T_CASE(encoding)
{
    char out[64] = "x=";
    pretok_url_encode("a/b c+\xC3\xBC~-._%", true, out);
    T_EQ_STR(out, "x=a/b%20c%2B%C3%BC~-._%25");
    out[0] = '\0';
    pretok_url_encode("a/b", false, out);
    T_EQ_STR(out, "a%2Fb");
    strcpy(out, "a+%2B%c3%BC");
    T_TRUE(pretok_url_decode(out, true));
    T_EQ_STR(out, "a +\xC3\xBC");
    strcpy(out, "a+%");
    T_TRUE(!pretok_url_decode(out, false));
    strcpy(out, "%0");
    T_TRUE(!pretok_url_decode(out, false));
}

#ifdef PRETOK_HAVE_REMOTE

#include "remote/sign.h"
#include "remote/xml.h"

/* ---- signatures: the examples of Amazon's documentation of S3 ("Signature Calculations for the
 * Authorization Header") ---- */

static const struct {
    const char *path, *query, *range, *signature;
} signatures[] = {
    {"/test.txt", "", "bytes=0-9",
     "f0e8bdb87c964420e857bd35b5d6ed310bd44f0170aba48dd91039c6036bdb41"},
    {"/", "lifecycle=", NULL, "fea454ca298b7da1c68078a5d1bdbfbbe0d65c699e0f91ac7a200a0136783543"},
    {"/", "max-keys=2&prefix=J", NULL,
     "34b48302e7b5fa45bde8084f4b7868a86f0a534bc59db6670ed5711ef69dc6f7"},
};

T_CASE(signatures)
{
    for (size_t i = 0; i < sizeof signatures / sizeof *signatures; i++) {
        struct pretok_sign_header headers[4] = {{"host", "examplebucket.s3.amazonaws.com"}};
        unsigned n = 1;
        if (signatures[i].range)
            headers[n++] = (struct pretok_sign_header){"range", signatures[i].range};
        headers[n++] = (struct pretok_sign_header){"x-amz-content-sha256", PRETOK_SIGN_EMPTY};
        headers[n++] = (struct pretok_sign_header){"x-amz-date", "20130524T000000Z"};
        struct pretok_sign_request r = {.key_id = "AKIAIOSFODNN7EXAMPLE",
                                        .secret = "wJalrXUtnFEMI/K7MDENG/bPxRfiCYEXAMPLEKEY",
                                        .region = "us-east-1",
                                        .time = "20130524T000000Z",
                                        .path = signatures[i].path,
                                        .query = signatures[i].query,
                                        .headers = headers,
                                        .header_count = n};
        char out[PRETOK_SIGN_ROOM];
        T_TRUE(pretok_sign_get(&r, out));
        T_EQ_STR(strrchr(out, '=') + 1, signatures[i].signature);
        T_TRUE(strstr(out,
                      "Authorization: AWS4-HMAC-SHA256 Credential=AKIAIOSFODNN7EXAMPLE/20130524/"
                      "us-east-1/s3/aws4_request, SignedHeaders=host;") == out);
        T_TRUE(strstr(out, r.secret) == NULL);
    }
}

/* ---- answers ---- */

static const struct {
    const char *xml, *want;
} answers[] = {
    {"<?xml version=\"1.0\"?>\n<A><B>x</B><C/><D a=\"b\">y&amp;&lt;&gt;&quot;&apos;</D></A>",
     "B=x C= D=y&<>\"' /A "},
    {"<A><B></B></A>", "B= /A "},
    {"<A><B>&#65;&#x42;&#xe9;&#x20AC;&#0;&#xFFFFFFFF;</B></A>", "B=AB\xC3\xA9\xE2\x82\xAC /A "},
    {"<A><B>&unknown; & &#; &#x</B></A>", "B=&unknown; &  &#x /A "},
    {"<A><B>x</B>", "B=x "},
    {"<A><B>x</B", ""},
    {"<A><B>x", ""},
    {"<A", ""},
    {"<", ""},
    {"", ""},
    {"text", ""},
    {"<A><B>x</", ""},
    {"<></><A>x</A>", "A=x "},
    {"<!-- c --><A>1</A>", "A=1 "},
};

T_CASE(answers)
{
    for (size_t i = 0; i < sizeof answers / sizeof *answers; i++) {
        size_t n = strlen(answers[i].xml);
        /* exactly as much room as it is said to take */
        char *text = malloc(n + 1), *room = malloc(n + 1), got[512] = "";
        const char *name, *value;
        memcpy(text, answers[i].xml, n + 1);
        struct pretok_xml x = {text, room};
        while (pretok_xml_next(&x, &name, &value)) {
            size_t used = strlen(got);
            if (value)
                snprintf(got + used, sizeof got - used, "%s=%s ", name, value);
            else
                snprintf(got + used, sizeof got - used, "/%s ", name);
        }
        if (i != 5 && i != 11) /* an end that is cut off may end what is before it or not */
            T_EQ_STR(got, answers[i].want);
        free(text);
        free(room);
    }
}

/* Any bytes: an end, within the room. */
T_CASE(any_answer)
{
    static const char letters[] = "<>/&;#xA1 \"=!?";
    unsigned state = 7;

    for (unsigned round = 0; round < 200000; round++) {
        size_t n = round % 40;
        char *text = malloc(n + 1), *room = malloc(n + 1);
        for (size_t i = 0; i < n; i++) {
            state = state * 1664525u + 1013904223u;
            text[i] = letters[(state >> 16) % (sizeof letters - 1)];
        }
        text[n] = '\0';
        struct pretok_xml x = {text, room};
        const char *name, *value;
        unsigned count = 0;
        while (pretok_xml_next(&x, &name, &value))
            if (++count > 100) {
                T_FAIL("no end: %s", text);
                break;
            }
        free(text);
        free(room);
    }
}

#endif

int main(int argc, char **argv)
{
    return t_main(argc, argv);
}
