/* Vectors and types: who owns what, copies, conversions. */

#include "checks.h"

static void check_vectors(void) {
  wasm_byte_vec_t bytes, copy;
  wasm_byte_vec_new_empty(&bytes);
  CHECK(bytes.size == 0);
  wasm_byte_vec_delete(&bytes);

  wasm_name_new_from_string(&bytes, "name");
  wasm_byte_vec_copy(&copy, &bytes);
  CHECK(is_text(&copy, "name") && copy.data != bytes.data);
  wasm_byte_vec_delete(&bytes);
  CHECK(bytes.size == 0 && bytes.data == NULL);
  wasm_byte_vec_delete(&bytes);
  CHECK(is_text(&copy, "name"));
  wasm_byte_vec_delete(&copy);

  wasm_name_new_from_string_nt(&bytes, "x");
  CHECK(bytes.size == 2 && bytes.data[1] == 0);
  wasm_byte_vec_delete(&bytes);

  /* A program that read less than it had room for. */
  wasm_byte_vec_new_uninitialized(&bytes, 1000);
  memset(bytes.data, 1, 10);
  bytes.size = 10;
  wasm_byte_vec_delete(&bytes);

  /* Elements that were never set are NULL, and can be deleted. */
  wasm_valtype_vec_t types;
  wasm_valtype_vec_new_uninitialized(&types, 3);
  types.data[1] = wasm_valtype_new_i64();
  wasm_valtype_vec_delete(&types);

  wasm_val_vec_t values, value_copy;
  wasm_val_t numbers[] = {WASM_I32_VAL(1), WASM_F64_VAL(2.5)};
  wasm_val_vec_new(&values, 2, numbers);
  wasm_val_vec_copy(&value_copy, &values);
  CHECK(value_copy.data[0].of.i32 == 1 && value_copy.data[1].of.f64 == 2.5);
  wasm_val_vec_delete(&values);
  wasm_val_vec_delete(&value_copy);
}

static void check_valtypes(void) {
  const wasm_valkind_t kinds[] = {WASM_I32,       WASM_I64,     WASM_F32,     WASM_F64,
                                  WASM_EXTERNREF, WASM_FUNCREF, UPSHIFT_V128, UPSHIFT_EXNREF};
  for (size_t i = 0; i < sizeof(kinds); ++i) {
    wasm_valtype_t *type = wasm_valtype_new(kinds[i]), *copy = wasm_valtype_copy(type);
    wasm_valtype_delete(type);
    CHECK(wasm_valtype_kind(copy) == kinds[i]);
    CHECK(wasm_valtype_is_ref(copy) == (kinds[i] >= 128));
    CHECK(wasm_valtype_is_num(copy) == (kinds[i] < 128));
    wasm_valtype_delete(copy);
  }
  CHECK(wasm_valtype_new(77) == NULL);
  wasm_valtype_delete(NULL);
}

static void check_functypes(void) {
  wasm_functype_t *type = wasm_functype_new_2_1(wasm_valtype_new_i32(), wasm_valtype_new_f64(),
                                                wasm_valtype_new_funcref());
  wasm_functype_t *copy = wasm_functype_copy(type);
  wasm_functype_delete(type);
  const wasm_valtype_vec_t *params = wasm_functype_params(copy);
  const wasm_valtype_vec_t *results = wasm_functype_results(copy);
  CHECK(params->size == 2 && results->size == 1);
  CHECK(wasm_valtype_kind(params->data[0]) == WASM_I32);
  CHECK(wasm_valtype_kind(params->data[1]) == WASM_F64);
  CHECK(wasm_valtype_kind(results->data[0]) == WASM_FUNCREF);

  /* Conversions are of the pointer. */
  wasm_externtype_t *any = wasm_functype_as_externtype(copy);
  CHECK(wasm_externtype_kind(any) == WASM_EXTERN_FUNC);
  CHECK(wasm_externtype_as_functype(any) == copy);
  CHECK(wasm_externtype_as_globaltype(any) == NULL);
  CHECK(wasm_externtype_as_memorytype_const(any) == NULL);
  CHECK(wasm_externtype_as_functype_const(wasm_functype_as_externtype_const(copy)) == copy);
  CHECK(wasm_externtype_as_functype(NULL) == NULL);
  wasm_externtype_delete(any);

  wasm_functype_t *many = wasm_functype_new_3_2(wasm_valtype_new_i32(), wasm_valtype_new_i64(),
                                                wasm_valtype_new_f32(), wasm_valtype_new_f64(),
                                                wasm_valtype_new_externref());
  CHECK(wasm_functype_params(many)->size == 3 && wasm_functype_results(many)->size == 2);
  wasm_functype_delete(many);
}

static void check_itemtypes(void) {
  wasm_globaltype_t *global = wasm_globaltype_new(wasm_valtype_new_f32(), WASM_VAR);
  CHECK(wasm_valtype_kind(wasm_globaltype_content(global)) == WASM_F32);
  CHECK(wasm_globaltype_mutability(global) == WASM_VAR);
  CHECK(wasm_externtype_kind(wasm_globaltype_as_externtype(global)) == WASM_EXTERN_GLOBAL);
  wasm_globaltype_delete(global);

  wasm_limits_t limits = {2, wasm_limits_max_default}, bounded = {1, 5};
  wasm_tabletype_t *table = wasm_tabletype_new(wasm_valtype_new_externref(), &limits);
  CHECK(wasm_valtype_kind(wasm_tabletype_element(table)) == WASM_EXTERNREF);
  CHECK(wasm_tabletype_limits(table)->min == 2);
  CHECK(wasm_tabletype_limits(table)->max == wasm_limits_max_default);
  wasm_tabletype_delete(table);
  CHECK(wasm_tabletype_new(wasm_valtype_new_i32(), &limits) == NULL);

  wasm_memorytype_t *memory = wasm_memorytype_new(&bounded);
  CHECK(wasm_memorytype_limits(memory)->min == 1 && wasm_memorytype_limits(memory)->max == 5);
  wasm_externtype_t *copy = wasm_externtype_copy(wasm_memorytype_as_externtype(memory));
  wasm_memorytype_delete(memory);
  CHECK(wasm_externtype_as_memorytype(copy) != NULL);
  wasm_externtype_delete(copy);

  wasm_tagtype_t *tag = wasm_tagtype_new(wasm_functype_new_1_0(wasm_valtype_new_i64()));
  CHECK(wasm_functype_params(wasm_tagtype_functype(tag))->size == 1);
  wasm_externtype_t *any = wasm_tagtype_as_externtype(tag);
  CHECK(wasm_externtype_kind(any) == WASM_EXTERN_TAG);

  wasm_name_t module, name;
  wasm_name_new_from_string(&module, "m");
  wasm_name_new_from_string(&name, "n");
  wasm_importtype_t *import = wasm_importtype_new(&module, &name, any);
  CHECK(module.size == 0 && name.data == NULL);
  wasm_importtype_t *import_copy = wasm_importtype_copy(import);
  wasm_importtype_delete(import);
  CHECK(is_text(wasm_importtype_module(import_copy), "m"));
  CHECK(is_text(wasm_importtype_name(import_copy), "n"));
  CHECK(wasm_externtype_kind(wasm_importtype_type(import_copy)) == WASM_EXTERN_TAG);
  wasm_importtype_delete(import_copy);
}

/* What a module imports and exports, also what the standard's types have no words for. */
static void check_reflection(wasm_engine_t *engine) {
  wasm_module_t *module = module_of(
      engine,
      "(module $reflected"
      "  (import \"a\" \"f\" (func (param i32 v128) (result externref)))"
      "  (import \"a\" \"g\" (global (mut i64)))"
      "  (import \"b\" \"\" (table 1 funcref))"
      "  (memory (export \"memory\") i64 3 7)"
      "  (tag (export \"tag\") (param f32))"
      "  (func (export \"nothing\")))");
  wasm_name_t name;
  CHECK(upshift_module_name(module, &name) && is_text(&name, "reflected"));
  wasm_byte_vec_delete(&name);

  wasm_importtype_vec_t imports;
  wasm_module_imports(module, &imports);
  CHECK(imports.size == 3);
  CHECK(is_text(wasm_importtype_module(imports.data[0]), "a"));
  CHECK(is_text(wasm_importtype_name(imports.data[2]), ""));
  const wasm_functype_t *func =
      wasm_externtype_as_functype_const(wasm_importtype_type(imports.data[0]));
  CHECK(wasm_valtype_kind(wasm_functype_params(func)->data[1]) == UPSHIFT_V128);
  CHECK(wasm_externtype_kind(wasm_importtype_type(imports.data[1])) == WASM_EXTERN_GLOBAL);
  wasm_importtype_vec_delete(&imports);

  wasm_exporttype_vec_t exports, copy;
  wasm_module_exports(module, &exports);
  wasm_module_delete(module);
  wasm_exporttype_vec_copy(&copy, &exports);
  wasm_exporttype_vec_delete(&exports);
  CHECK(copy.size == 3 && is_text(wasm_exporttype_name(copy.data[0]), "memory"));
  const wasm_memorytype_t *memory =
      wasm_externtype_as_memorytype_const(wasm_exporttype_type(copy.data[0]));
  CHECK(wasm_memorytype_limits(memory)->min == 3 && wasm_memorytype_limits(memory)->max == 7);
  CHECK(wasm_externtype_kind(wasm_exporttype_type(copy.data[1])) == WASM_EXTERN_TAG);
  wasm_exporttype_vec_delete(&copy);
}

void check_types(void) {
  check_vectors();
  check_valtypes();
  check_functypes();
  check_itemtypes();
  wasm_engine_t *engine = new_engine();
  check_reflection(engine);
  wasm_engine_delete(engine);
}
