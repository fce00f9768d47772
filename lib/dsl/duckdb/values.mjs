/** A result of DuckDB as values of JSON, read from its vectors. */

import { TextDecoder } from "node:util";

const text = new TextDecoder();

const int64 = (view, at) => Number(view.getBigInt64(at, true));
const int128 = (view, at) => Number((view.getBigInt64(at + 8, true) << 64n) + view.getBigUint64(at, true));

const integer = (bytes, read) => ({ kind: "integer", bytes, read });
const real = (bytes, read) => ({ kind: "real", bytes, read: (view, at) => finite(read(view, at)) });
// Dates and times alike are microseconds, so that a day equals its midnight.
const time = (bytes, read) => ({ kind: "time", bytes, read });

/** JSON has no word for them. */
const finite = (value) => (Number.isFinite(value) ? value : String(value));

const string = (duckdb) => ({
  kind: "text",
  bytes: 16,
  read(view, at) {
    const length = view.getUint32(at, true);
    if (length <= 12) return text.decode(new Uint8Array(view.buffer, view.byteOffset + at + 4, length));
    return text.decode(duckdb.get_data_from_pointer(view.buffer, view.byteOffset + at + 8, length));
  },
});

/** How values of a logical type are read; undefined for one that is to be cast to text first. */
function readerOf(duckdb, type) {
  const { Type } = duckdb;
  switch (duckdb.get_type_id(type)) {
    case Type.BOOLEAN:
      return { kind: "boolean", bytes: 1, read: (view, at) => view.getUint8(at) !== 0 };
    case Type.TINYINT:
      return integer(1, (view, at) => view.getInt8(at));
    case Type.UTINYINT:
      return integer(1, (view, at) => view.getUint8(at));
    case Type.SMALLINT:
      return integer(2, (view, at) => view.getInt16(at, true));
    case Type.USMALLINT:
      return integer(2, (view, at) => view.getUint16(at, true));
    case Type.INTEGER:
      return integer(4, (view, at) => view.getInt32(at, true));
    case Type.UINTEGER:
      return integer(4, (view, at) => view.getUint32(at, true));
    case Type.BIGINT:
      return integer(8, int64);
    case Type.UBIGINT:
      return integer(8, (view, at) => Number(view.getBigUint64(at, true)));
    case Type.HUGEINT:
      return integer(16, int128);
    case Type.FLOAT:
      return real(4, (view, at) => view.getFloat32(at, true));
    case Type.DOUBLE:
      return real(8, (view, at) => view.getFloat64(at, true));
    case Type.DECIMAL:
      return decimal(duckdb.decimal_width(type), 10 ** duckdb.decimal_scale(type));
    case Type.DATE:
      return time(4, (view, at) => view.getInt32(at, true) * 86_400e6);
    case Type.TIMESTAMP_S:
      return time(8, (view, at) => int64(view, at) * 1e6);
    case Type.TIMESTAMP_MS:
      return time(8, (view, at) => int64(view, at) * 1e3);
    case Type.TIMESTAMP:
    case Type.TIMESTAMP_TZ:
      return time(8, int64);
    case Type.TIMESTAMP_NS:
      return time(8, (view, at) => int64(view, at) / 1e3);
    case Type.VARCHAR:
      return string(duckdb);
    case Type.SQLNULL:
      return { kind: "null", bytes: 4, read: () => null };
    default:
      return undefined;
  }
}

function decimal(width, scale) {
  if (width <= 4) return real(2, (view, at) => view.getInt16(at, true) / scale);
  if (width <= 9) return real(4, (view, at) => view.getInt32(at, true) / scale);
  if (width <= 18) return real(8, (view, at) => int64(view, at) / scale);
  return real(16, (view, at) => int128(view, at) / scale);
}

/** `{name, type, reader}` of each column of a prepared statement. */
export function columnsOf(duckdb, prepared) {
  const count = duckdb.prepared_statement_column_count(prepared);
  return Array.from({ length: count }, (_, index) => {
    const type = duckdb.prepared_statement_column_logical_type(prepared, index);
    return { name: duckdb.prepared_statement_column_name(prepared, index), reader: readerOf(duckdb, type) };
  });
}

/** Appends the rows of a chunk. */
export function readChunk(duckdb, chunk, readers, rows) {
  const size = duckdb.data_chunk_get_size(chunk);
  const first = rows.length;
  for (let row = 0; row < size; row++) rows.push(new Array(readers.length));
  for (const [index, { bytes, read }] of readers.entries()) {
    const vector = duckdb.data_chunk_get_vector(chunk, index);
    const data = duckdb.vector_get_data(vector, size * bytes);
    const view = new DataView(data.buffer, data.byteOffset, data.byteLength);
    const valid = duckdb.vector_get_validity(vector, Math.ceil(size / 64) * 8);
    for (let row = 0; row < size; row++) {
      const there = valid === null || ((valid[row >> 3] >> (row & 7)) & 1) === 1;
      rows[first + row][index] = there ? read(view, row * bytes) : null;
    }
  }
}
