#include "server/store/expressions.h"

namespace mend::store {
namespace {

using Walker = bool (*)(Node*, void*);

bool Walk(Node* node, Walker walker) {
#if PG_VERSION_NUM >= 160000
  return expression_tree_walker_impl(node, walker, nullptr);
#else
  return expression_tree_walker(
      node, reinterpret_cast<bool (*)()>(reinterpret_cast<void (*)()>(walker)), nullptr);
#endif
}

// Built-in functions that are volatile, and still look at no table. (nextval has a table of its
// own.)
constexpr Oid kRandom = 1598;  // random(); its symbol changes with the version
constexpr Oid kHarmlessVolatile[] = {F_NEXTVAL, F_GEN_RANDOM_UUID, F_CLOCK_TIMESTAMP, F_TIMEOFDAY,
                                     kRandom};

// Built-in functions that fail for no value, or only for reasons that are not the row's.
constexpr Oid kNeverFail[] = {F_NEXTVAL,
                              F_GEN_RANDOM_UUID,
                              F_CLOCK_TIMESTAMP,
                              F_TIMEOFDAY,
                              F_NOW,
                              F_TRANSACTION_TIMESTAMP,
                              F_STATEMENT_TIMESTAMP,
                              kRandom,
                              F_LENGTH_TEXT,
                              F_CHAR_LENGTH_TEXT,
                              F_CHARACTER_LENGTH_TEXT,
                              F_OCTET_LENGTH_TEXT,
                              F_LOWER_TEXT,
                              F_UPPER_TEXT,
                              F_BTRIM_TEXT,
                              F_JSONB_TYPEOF};

bool IsOneOf(Oid function, const Oid* first, const Oid* last) {
  while (first != last && *first != function) {
    ++first;
  }
  return first != last;
}

bool IsHarmlessVolatile(Oid function) {
  return IsOneOf(function, std::begin(kHarmlessVolatile), std::end(kHarmlessVolatile));
}

// Arrays, rows and ranges are compared by what their elements' types have, or have not.
bool TakesPolymorphic(Oid function) {
  Oid* types = nullptr;
  int count = 0;
  get_func_signature(function, &types, &count);
  for (int i = 0; i < count; ++i) {
    if (IsPolymorphicType(types[i]) || types[i] == RECORDOID) {
      return true;
    }
  }
  return false;
}

bool ComparesInOrder(Oid op) {
#if PG_VERSION_NUM >= 180000
  return get_op_index_interpretation(op) != NIL;
#else
  return get_op_btree_interpretation(op) != NIL;
#endif
}

bool FunctionCannotFail(Oid function, Oid op) {
  if (function >= FirstNormalObjectId) {
    return false;
  }
  if (IsOneOf(function, std::begin(kNeverFail), std::end(kNeverFail)) ||
      get_func_leakproof(function)) {
    return true;
  }
  return OidIsValid(op) && ComparesInOrder(op) && !TakesPolymorphic(function);
}

bool MayFail(Node* node, void*) {
  if (node == nullptr) {
    return false;
  }
  switch (nodeTag(node)) {
    case T_Var:
    case T_Const:
    case T_RelabelType:
    case T_BoolExpr:
    case T_NullTest:
    case T_BooleanTest:
    case T_CaseExpr:
    case T_CaseWhen:
    case T_CaseTestExpr:
    case T_CoalesceExpr:
    case T_SQLValueFunction:
    case T_NextValueExpr:
    case T_List: break;
    case T_OpExpr:
    case T_DistinctExpr: {
      auto* op = reinterpret_cast<OpExpr*>(node);
      set_opfuncid(op);
      if (!FunctionCannotFail(op->opfuncid, op->opno)) {
        return true;
      }
      break;
    }
    case T_ScalarArrayOpExpr: {
      auto* op = reinterpret_cast<ScalarArrayOpExpr*>(node);
      set_sa_opfuncid(op);
      if (!FunctionCannotFail(op->opfuncid, op->opno)) {
        return true;
      }
      break;
    }
    case T_ArrayExpr:
      // Arrays in an array must be of one size.
      if (reinterpret_cast<ArrayExpr*>(node)->multidims) {
        return true;
      }
      break;
    case T_FuncExpr:
      if (!FunctionCannotFail(reinterpret_cast<FuncExpr*>(node)->funcid, InvalidOid)) {
        return true;
      }
      break;
    default: return true;
  }
  return Walk(node, MayFail);
}

bool IsTelling(Oid function, void*) {
  return func_volatile(function) == PROVOLATILE_VOLATILE && !IsHarmlessVolatile(function);
}

bool MayLook(Node* node, void* nothing) {
  if (node == nullptr) {
    return false;
  }
  if (IsA(node, NextValueExpr)) {
    return false;
  }
  if (check_functions_in_node(node, IsTelling, nothing)) {
    return true;
  }
  return Walk(node, MayLook);
}

}  // namespace

bool CannotFail(Node* expression) { return !MayFail(expression, nullptr); }

bool LooksAtNoTable(Node* expression) { return !MayLook(expression, nullptr); }

}  // namespace mend::store
