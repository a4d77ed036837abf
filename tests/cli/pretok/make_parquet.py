"""Parquet files for parquet.sh: make_parquet.py FOLDER. Writes what is expected of them beside them."""

import json
import os
import sys

import pyarrow as pa
import pyarrow.parquet as pq

folder = sys.argv[1]
good = os.path.join(folder, "good")
os.makedirs(good)
texts = [f"document {i} " + "word " * (i % 50) for i in range(3000)]
other = list(range(3000))

# as pandas and datasets write it, in several row groups; then one for each way to store a string
plain = pa.table({"text": texts, "n": other})
pq.write_table(plain, f"{good}/a.parquet", row_group_size=700)
kinds = {
    "b_large": dict(table=pa.table({"text": pa.array(texts, pa.large_string())})),
    "c_dictionary": dict(table=pa.table({"text": pa.array(texts).dictionary_encode()})),
    "d_plain": dict(use_dictionary=False, compression="none", data_page_version="2.0"),
    "e_delta": dict(use_dictionary=False, column_encoding={"text": "DELTA_BYTE_ARRAY", "n": "PLAIN"}),
    "f_lengths": dict(use_dictionary=False, column_encoding={"text": "DELTA_LENGTH_BYTE_ARRAY", "n": "PLAIN"}),
    "g_zstd": dict(compression="zstd", data_page_size=4096),
    "h_gzip": dict(compression="gzip"),
    "i_brotli": dict(compression="brotli"),
    "j_lz4": dict(compression="lz4"),
    "k_checked": dict(write_page_checksum=True),
    "l_required": dict(table=pa.table({"text": texts}, schema=pa.schema([pa.field("text", pa.string(), nullable=False)]))),
    "m_binary": dict(table=pa.table({"text": pa.array([t.encode() for t in texts], pa.binary())})),
}
os.makedirs(f"{folder}/kinds")
for name, how in kinds.items():
    table = how.pop("table", plain)
    pq.write_table(table, f"{folder}/kinds/{name}.parquet", row_group_size=1000, **how)

os.makedirs(f"{folder}/nested")
inner = pa.array([{"text": t, "a.b": t} for t in texts])
pq.write_table(pa.table({"content": inner, "lists": [[t] for t in texts]}), f"{folder}/nested/n.parquet")

os.makedirs(f"{folder}/nulls")
some = [None if i % 1000 == 7 else t for i, t in enumerate(texts)]
pq.write_table(pa.table({"text": some}), f"{folder}/nulls/n.parquet", row_group_size=512)
deep = [None if i % 1000 == 8 else {"text": t} for i, t in enumerate(some)]
pq.write_table(pa.table({"o": pa.array(deep)}), f"{folder}/nulls/o.parquet")

os.makedirs(f"{folder}/empty")
pq.write_table(plain.slice(0, 0), f"{folder}/empty/e.parquet")

# twenty gigabytes of text out of one value, and rows of nothing
os.makedirs(f"{folder}/bomb")
value = pa.DictionaryArray.from_arrays(pa.array([0] * 20000, pa.int32()), pa.array(["y" * 1_000_000]))
pq.write_table(pa.table({"text": value}), f"{folder}/bomb/a.parquet")

# many row groups of one size, to be damaged in the middle
os.makedirs(f"{folder}/damage")
pq.write_table(plain, f"{folder}/damage/d.parquet", row_group_size=500, write_page_checksum=True, compression="none", use_dictionary=False)
column = pq.ParquetFile(f"{folder}/damage/d.parquet").metadata.row_group(3).column(0)
with open(f"{folder}/damage.at", "w") as f:
    f.write(f"{column.data_page_offset} {column.total_compressed_size}\n")

with open(f"{folder}/want.jsonl", "w") as f:
    f.writelines(json.dumps({"text": t}) + "\n" for t in texts)
