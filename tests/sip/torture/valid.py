"""RFC 4475 §3.1.1: messages that are right, however they look."""

from __future__ import annotations

from tests.sip.torture.case import HERE, SDP, TAKEN_UP, UNKNOWN_METHOD, US, WITH_SDP, Case, lines, ordinary

_ODD_METHOD = "!a-Method_of.0123456789+`*%and'then~some"
_ODD_USER = "9_odd.User~(so!very)&don't+you$/think?,/;;*:&with+a=2,odd!*pass$word~_too.(isn't-it)"
_UTF8 = "Моби Дик"
_LONG_USER = "a-sailor-whose-name-does-not-end-" * 8

VALID = (
    Case(
        "wsinv",
        "3.1.1.1",
        "white space and folding wherever they may be, every form and case of names, leading zeros, values in one line and in several",
        "\r\n".join(
            [
                f"INVITE sip:{US};strangeparam SIP/2.0",
                "TO :",
                f"  sip:{US} ;   tag    = 7771n",
                'from   : "A Sailor \\\\\\""       <sip:ishmael@nantucket.example>',
                "  ;",
                "  tag = 17asjd8",
                "MaX-fOrWaRdS: 0068",
                "Call-ID: wsinv.7x@192.0.2.21",
                "Content-Length   : " + str(len(SDP)),
                "cseq: 0009",
                "  INVITE",
                "Via  : SIP  /   2.0",
                " /UDP",
                f"    {HERE};rport;branch=39zskdjuw",
                "s :",
                "NovelHeader:   novel value",
                " and the rest of it",
                "ValueLikeSeparators: ;;,,;;,;",
                "Content-Type: application/sdp",
                "Route:",
                " <sip:crow.nest.example;lr;strangewith=value;strange-no-value>",
                "v:  SIP  / 2.0  / TCP     capstan.example   ;",
                "  branch  =   z9hG4bK9ikj8  ,",
                " SIP  /    2.0   / UDP  192.0.2.111   ; branch=",
                " z9hG4bK30239",
                'm:"Said \\"call me\\"" <sip:ishmael@nantucket.example> ; newparam =',
                "      newvalue ;",
                "  secondparam ; q = 0.33",
                "",
                SDP,
            ]
        ),
        TAKEN_UP,
    ),
    Case(
        "intmeth",
        "3.1.1.2",
        "every character that a method, a user, a token, a Call-ID and quotes may hold",
        lines(
            f"{_ODD_METHOD} sip:{_ODD_USER}@pequod.example SIP/2.0",
            f"Via: SIP/2.0/UDP {HERE};rport;branch=z9hG4bK-.!%66*_+`'~",
            f'To: "BEL:\\\x07 NUL:\\\x00 DEL:\\\x7f" <sip:{_ODD_USER}@pequod.example>',
            f"From: name1~` name2'+_ name3*%!.- <sip:plain@nantucket.example>;fromParam''~+*_!.-%=\"{_UTF8}\";tag=_sea~1'+`*%!-.",
            "Call-ID: intmeth.sea%ZK-!.*_+'@word`~)(><:\\/\"][?}{",
            f"CSeq: 139122385 {_ODD_METHOD}",
            "Max-Forwards: 255",
            f"oddHeader-!.%*+_`'~: \ufeff{_UTF8}",
        ),
        UNKNOWN_METHOD | {404},
    ),
    Case(
        "esc01",
        "3.1.1.3",
        "escapes in users and parameters: a user that looks like another URI, an escape that makes another when undone",
        ordinary(
            "INVITE sip:sips%3Aahab%40pequod.example@nantucket.example SIP/2.0",
            "To: sip:%61h%61b@pequod.example",
            "From: <sip:I%20have%20spaces@nantucket.example>;tag=7",
            "Contact: <sip:cal%6Cer@harbour.example;%6C%72;n%61me=v%61lue%25%34%31>",
            WITH_SDP,
            body=SDP,
            leave="To From Contact",
            call="esc01",
        ),
        TAKEN_UP,
    ),
    Case(
        "escnull",
        "3.1.1.4",
        "the octet zero, escaped, in users",
        ordinary(
            "REGISTER sip:pequod.example SIP/2.0",
            "To: sip:null-%00-null@pequod.example",
            "From: sip:null-%00-null@pequod.example;tag=8",
            "Contact: <sip:%00@harbour.example>",
            "Contact: <sip:%00%00@harbour.example>",
            leave="To From",
            call="escnull",
        ),
        TAKEN_UP,
    ),
    Case(
        "esc02",
        "3.1.1.5",
        "percent signs where they escape nothing: in a method that is not REGISTER, and in names",
        ordinary(
            "RE%47IST%45R sip:pequod.example SIP/2.0",
            f'To: "%Q%45" <sip:{US}>',
            'From: "%Q%45" <sip:ishmael@nantucket.example>;tag=9',
            "Contact: <sip:first@harbour.example>",
            "Contact: <sip:second@harbour.example>",
            leave="To From",
            call="esc02",
        ),
        UNKNOWN_METHOD | {404},
    ),
    Case(
        "lwsdisp",
        "3.1.1.6",
        "no space between a name and <",
        ordinary(f"OPTIONS sip:{US} SIP/2.0", "From: sailor<sip:ishmael@nantucket.example>;tag=10", leave="From", call="lwsdisp"),
        TAKEN_UP,
    ),
    Case(
        "longreq",
        "3.1.1.7",
        "long names, long values, many Vias",
        lines(
            f"INVITE sip:{US} SIP/2.0",
            'To: "' + "I have a very long name, longer than most " * 9 + f'" <sip:{US};' + "unknownparam" * 4 + "=" + "long" * 8 + ">",
            "F: sip:" + "a-sailor-whose-name-does-not-end-" * 8 + "@nantucket.example;tag=12" + "982" * 15 + ";unknown" + "long" * 9 + "=x",
            "Call-ID: longreq.one" + "really" * 30 + "longcallid",
            "CSeq: 3882340 INVITE",
            "Unknown-" + "Long-" * 24 + "Name: unknown-" + "long-" * 24 + "value; unknown-" + "long-" * 24 + "parameter-name = x",
            f"Via: SIP/2.0/UDP {HERE};rport;branch=z9hG4bK-longreq",
            *(f"v: SIP/2.0/{('TCP', 'SCTP', 'TLS')[n % 3]} mast{n}.pequod.example;branch=z9hG4bK{'longb' * 9}{n}" for n in range(33)),
            "Max-Forwards: 70",
            "Contact: <sip:" + _LONG_USER + "@harbour.example>",
            WITH_SDP,
            body=SDP,
        ),
        TAKEN_UP,
    ),
    Case(
        "dblreq",
        "3.1.1.8",
        "another request behind the body that Content-Length allows: it is not there",
        ordinary("REGISTER sip:pequod.example SIP/2.0", "Contact: <sip:ishmael@harbour.example>", call="dblreq")
        + ordinary(f"INVITE sip:{US} SIP/2.0", WITH_SDP, body=SDP, call="dblreq-behind"),
        TAKEN_UP,
    ),
    Case(
        "semiuri",
        "3.1.1.9",
        "a semicolon in the user, which is no parameter",
        ordinary("OPTIONS sip:ahab;par=u%40nantucket.example@pequod.example SIP/2.0", "Accept: application/sdp, text/*", call="semiuri"),
        TAKEN_UP,
    ),
    Case(
        "transports",
        "3.1.1.10",
        "Vias of every transport, and of one nobody knows",
        ordinary(
            f"OPTIONS sip:{US} SIP/2.0",
            *(f"Via: SIP/2.0/{name} {name.lower()}.example;branch=z9hG4bK{name}" for name in ("SCTP", "TLS", "UNKNOWN", "TCP")),
            call="transports",
        ),
        TAKEN_UP,
    ),
    Case(
        "mpart01",
        "3.1.1.11",
        "a body of two parts, one of them binary",
        ordinary(
            f"MESSAGE sip:{US} SIP/2.0",
            "MIME-Version: 1.0",
            "Content-Type: multipart/mixed;boundary=7f-3a_c2",
            body="--7f-3a_c2\r\nContent-Type: text/plain\r\nContent-Transfer-Encoding: binary\r\n\r\nThere she blows\r\n"
            "--7f-3a_c2\r\nContent-Type: application/octet-stream\r\nContent-Transfer-Encoding: binary\r\n\r\n"
            + bytes(range(256)).decode("utf-8", "surrogateescape")
            + "\r\n--7f-3a_c2--",
            call="mpart01",
        ),
        TAKEN_UP,
    ),
    Case(
        "unreason",
        "3.1.1.12",
        "a response whose reason phrase is arithmetic and Cyrillic",
        ordinary(f"SIP/2.0 200 = 2**3 * 5**2 {_UTF8}", call="unreason"),
        frozenset(),
    ),
    Case(
        "noreason",
        "3.1.1.13",
        "a response without a reason phrase, the space before it there",
        ordinary("SIP/2.0 100 ", call="noreason"),
        frozenset(),
    ),
)
