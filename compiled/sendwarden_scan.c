/* The compiled form of `plain` in sendwarden.wire.policy_scan, which says what it does. Built by scripts/compile. */

#define PY_SSIZE_T_CLEAN
#include <Python.h>

#define FIELDS 7

typedef struct {
    const char *at, *end;
} Text;

/* Move behind a word, if it stands here. */
static int word(Text *text, const char *name, size_t length)
{
    if ((size_t)(text->end - text->at) < length || memcmp(text->at, name, length))
        return 0;
    text->at += length;
    return 1;
}

/* Move behind the end of the line; what stood before it is the value. */
static int rest(Text *text, Text *value)
{
    const char *end = memchr(text->at, '\n', (size_t)(text->end - text->at));

    if (!end)
        return 0;
    if (value)
        *value = (Text){text->at, end};
    text->at = end + 1;
    return 1;
}

#define WORD(name) word(&text, name, sizeof(name) - 1)
#define SKIP(name) (WORD(name "=") && rest(&text, NULL))
#define TAKE(name, into) (WORD(name "=") && rest(&text, &found[into]))

static int is_count(Text count)
{
    if (count.end - count.at < 1 || count.end - count.at > 7)
        return 0;
    for (; count.at < count.end; count.at++)
        if (*count.at < '0' || *count.at > '9')
            return 0;
    return 1;
}

static int is_state(Text state)
{
    size_t length = (size_t)(state.end - state.at);

    return (length == 4 && !memcmp(state.at, "RCPT", 4)) ||
           (length == 14 && !memcmp(state.at, "END-OF-MESSAGE", 14));
}

static PyObject *scan(PyObject *self, PyObject *const *arguments, Py_ssize_t count)
{
    Text text, found[FIELDS];
    Py_ssize_t tail_length;
    const char *whole;
    PyObject *fields;

    (void)self;
    if (count != 2 || !PyBytes_Check(arguments[0]) || !PyBytes_Check(arguments[1])) {
        PyErr_SetString(PyExc_TypeError, "scan takes a request and a tail, both as bytes");
        return NULL;
    }
    whole = text.at = PyBytes_AS_STRING(arguments[0]);
    text.end = text.at + PyBytes_GET_SIZE(arguments[0]);
    tail_length = PyBytes_GET_SIZE(arguments[1]);
    if (!(WORD("request=smtpd_access_policy\n") && TAKE("protocol_state", 0) && is_state(found[0]) &&
          SKIP("protocol_name") && TAKE("client_address", 1) && SKIP("client_name")))
        Py_RETURN_NONE;
    if (WORD("client_port=") && !rest(&text, NULL))
        Py_RETURN_NONE;
    if (!SKIP("reverse_client_name"))
        Py_RETURN_NONE;
    if (WORD("server_address=") && !(rest(&text, NULL) && SKIP("server_port")))
        Py_RETURN_NONE;
    if (!(SKIP("helo_name") && TAKE("sender", 2) && SKIP("recipient") && TAKE("recipient_count", 3) &&
          is_count(found[3]) && TAKE("queue_id", 4) && TAKE("instance", 5) && found[5].at < found[5].end &&
          SKIP("size") && SKIP("etrn_domain") && SKIP("stress") && SKIP("sasl_method") &&
          TAKE("sasl_username", 6)))
        Py_RETURN_NONE;
    if (text.end - text.at != tail_length || memcmp(text.at, PyBytes_AS_STRING(arguments[1]), (size_t)tail_length) ||
        memchr(whole, 0, (size_t)(text.end - whole)))
        Py_RETURN_NONE;
    fields = PyTuple_New(FIELDS);
    for (int i = 0; fields && i < FIELDS; i++) {
        PyObject *value = PyBytes_FromStringAndSize(found[i].at, found[i].end - found[i].at);

        if (!value)
            Py_CLEAR(fields);
        else
            PyTuple_SET_ITEM(fields, i, value);
    }
    return fields;
}

static PyMethodDef methods[] = {{"scan", (PyCFunction)(void (*)(void))scan, METH_FASTCALL, NULL}, {0}};
static struct PyModuleDef module = {PyModuleDef_HEAD_INIT, "sendwarden_scan", NULL, 0, methods, 0, 0, 0, 0};

PyMODINIT_FUNC PyInit_sendwarden_scan(void)
{
    return PyModuleDef_Init(&module);
}
