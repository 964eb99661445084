#include "server/convert/soft_input.h"

#include <algorithm>
#include <iterator>

namespace mend::convert {

#if PG_VERSION_NUM >= 160000

namespace {

// Left out, because they still raise: what looks at catalogs (enum, the reg types, aclitem,
// domains), what recurses (tsquery, jsonpath, xml, json), what calls the input functions of others
// (composite types).
constexpr Oid kSoft[] = {
    F_BIT_IN,      F_BOOLIN,  F_BOX_IN,      F_BPCHARIN,     F_BYTEAIN,        F_CASH_IN,
    F_CHARIN,      F_CIDIN,   F_CIDR_IN,     F_CIRCLE_IN,    F_DATE_IN,        F_FLOAT4IN,
    F_FLOAT8IN,    F_INET_IN, F_INT2IN,      F_INT2VECTORIN, F_INT4IN,         F_INT8IN,
    F_INTERVAL_IN, F_LINE_IN, F_LSEG_IN,     F_MACADDR8_IN,  F_MACADDR_IN,     F_NAMEIN,
    F_NUMERIC_IN,  F_OIDIN,   F_OIDVECTORIN, F_PATH_IN,      F_PG_LSN_IN,      F_PG_SNAPSHOT_IN,
    F_POINT_IN,    F_POLY_IN, F_TEXTIN,      F_TIDIN,        F_TIMESTAMPTZ_IN, F_TIMESTAMP_IN,
    F_TIMETZ_IN,   F_TIME_IN, F_TSVECTORIN,  F_UUID_IN,      F_VARBIT_IN,      F_VARCHARIN,
    F_XID8IN,      F_XIDIN,
};

// A range type of somebody's own may have functions of their own.
constexpr Oid kSoftRanges[] = {
    DATERANGEOID,      INT4RANGEOID,     INT8RANGEOID,      NUMRANGEOID,
    TSRANGEOID,        TSTZRANGEOID,     DATEMULTIRANGEOID, INT4MULTIRANGEOID,
    INT8MULTIRANGEOID, NUMMULTIRANGEOID, TSMULTIRANGEOID,   TSTZMULTIRANGEOID,
};

template <size_t Size>
bool IsIn(const Oid (&list)[Size], Oid oid) {
  return std::find(std::begin(list), std::end(list), oid) != std::end(list);
}

}  // namespace

bool HasSoftInput(Oid type, Oid input) { return IsIn(kSoft, input) || IsIn(kSoftRanges, type); }

std::optional<pg::Error> InputSoftly(const TypeInfo& type, int32_t typmod, const std::string& text,
                                     Datum* out) {
  const ErrorData* error = pg::Call([&]() -> const ErrorData* {
    ErrorSaveContext saved = {};
    saved.type = T_ErrorSaveContext;
    saved.details_wanted = true;
    FmgrInfo function;
    fmgr_info(type.input, &function);
    const bool read =
        InputFunctionCallSafe(&function, const_cast<char*>(text.c_str()), type.io_param, typmod,
                              reinterpret_cast<fmNodePtr>(&saved), out);
    return read ? nullptr : saved.error_data;
  });
  return error == nullptr ? std::nullopt : std::optional<pg::Error>(pg::Error(pg::FieldsOf(error)));
}

#else

bool HasSoftInput(Oid, Oid) { return false; }

std::optional<pg::Error> InputSoftly(const TypeInfo& type, int32_t, const std::string&, Datum*) {
  throw pg::Error(ERRCODE_INTERNAL_ERROR,
                  "the input function of " + type.name + " has no soft errors");
}

#endif

}  // namespace mend::convert
