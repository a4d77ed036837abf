// The low-level column reader, not Arrow's arrays: values point into the decoded page, and nothing
// larger than a page is ever built.
#include "input/parquet_shim.h"

#include <arrow/io/file.h>
#include <arrow/memory_pool.h>
#include <parquet/column_reader.h>
#include <parquet/exception.h>
#include <parquet/file_reader.h>
#include <parquet/schema.h>

#include <cstdio>
#include <exception>
#include <memory>
#include <new>
#include <string>
#include <vector>

namespace
{

constexpr int64_t stream_buffer = 256 << 10;
constexpr int64_t batch = 512;

// Arrow's default pool with a bound: page headers are taken at their word before a byte is read.
class BoundedPool : public arrow::MemoryPool
{
  public:
    explicit BoundedPool(int64_t limit) : pool_(arrow::default_memory_pool()), limit_(limit)
    {
    }
    arrow::Status Allocate(int64_t size, int64_t alignment, uint8_t **out) override
    {
        if (size > limit_ - used_)
            return refuse(size);
        ARROW_RETURN_NOT_OK(pool_->Allocate(size, alignment, out));
        used_ += size;
        return arrow::Status::OK();
    }
    arrow::Status Reallocate(int64_t old_size, int64_t new_size, int64_t alignment,
                             uint8_t **ptr) override
    {
        if (new_size - old_size > limit_ - used_)
            return refuse(new_size);
        ARROW_RETURN_NOT_OK(pool_->Reallocate(old_size, new_size, alignment, ptr));
        used_ += new_size - old_size;
        return arrow::Status::OK();
    }
    void Free(uint8_t *buffer, int64_t size, int64_t alignment) override
    {
        pool_->Free(buffer, size, alignment);
        used_ -= size;
    }
    int64_t bytes_allocated() const override
    {
        return used_;
    }
    int64_t total_bytes_allocated() const override
    {
        return pool_->total_bytes_allocated();
    }
    int64_t num_allocations() const override
    {
        return pool_->num_allocations();
    }
    std::string backend_name() const override
    {
        return pool_->backend_name();
    }

  private:
    arrow::Status refuse(int64_t size) const
    {
        return arrow::Status::CapacityError("asks for ", size,
                                            " bytes at once, beyond the bound of ", limit_,
                                            " (--max-doc-bytes)");
    }
    arrow::MemoryPool *pool_;
    int64_t limit_, used_ = 0;
};

} // namespace

struct parquet_shim {
    explicit parquet_shim(int64_t memory) : pool(memory)
    {
    }
    BoundedPool pool; // outlives what allocates from it
    std::unique_ptr<parquet::ParquetFileReader> reader;
    int column = -1;
    int16_t max_level = 0;
    int group = -1; // the current row group
    int64_t left = 0, row = 0;
    std::shared_ptr<parquet::RowGroupReader> rows;
    std::shared_ptr<parquet::ByteArrayReader> values;
    std::vector<parquet::ByteArray> bytes = std::vector<parquet::ByteArray>(batch);
    std::vector<int16_t> levels = std::vector<int16_t>(batch);
};

namespace
{

void tell(char *message, const std::string &what)
{
    std::snprintf(message, PARQUET_SHIM_MESSAGE, "%s", what.c_str());
    for (char *c = message; *c; c++)
        if (static_cast<unsigned char>(*c) < ' ')
            *c = ' ';
}

std::vector<std::string> split(const char *key)
{
    std::vector<std::string> parts(1);

    for (const char *c = key; *c; c++) {
        if (*c == '\\' && c[1] == '.')
            parts.back() += *++c;
        else if (*c == '.')
            parts.emplace_back();
        else
            parts.back() += *c;
    }
    return parts;
}

// As --text-key wants it.
std::string key_of(const parquet::ColumnDescriptor *c)
{
    auto path = c->path();
    std::string key;

    for (const auto &part : path->ToDotVector()) {
        if (!key.empty())
            key += '.';
        for (char letter : part)
            key += letter == '.' ? std::string("\\.") : std::string(1, letter);
    }
    return key;
}

bool is_text(const parquet::ColumnDescriptor *c)
{
    auto logical = c->logical_type();
    bool plain = !logical || logical->is_none() || logical->is_string() || logical->is_enum() ||
                 logical->is_JSON() || logical->is_invalid();
    return c->physical_type() == parquet::Type::BYTE_ARRAY && plain &&
           c->max_repetition_level() == 0;
}

std::string kind_of(const parquet::ColumnDescriptor *c)
{
    if (c->max_repetition_level() > 0)
        return "list";
    auto logical = c->logical_type();
    if (logical && !logical->is_none() && !logical->is_invalid())
        return logical->ToString();
    return parquet::TypeToString(c->physical_type());
}

// The columns there are, those with text first, as many as fit.
std::string columns(const parquet::SchemaDescriptor *schema)
{
    std::string list;

    for (int pass = 0; pass < 2; pass++)
        for (int i = 0; i < schema->num_columns() && list.size() < PARQUET_SHIM_MESSAGE; i++) {
            auto c = schema->Column(i);
            if (is_text(c) != (pass == 0))
                continue;
            list +=
                (list.empty() ? "" : ", ") + key_of(c) + (pass == 0 ? "" : " (" + kind_of(c) + ")");
        }
    return list;
}

parquet_shim_status find_column(parquet_shim *f, const char *key, char *message)
{
    auto schema = f->reader->metadata()->schema();
    auto wanted = split(key);

    for (int i = 0; i < schema->num_columns(); i++) {
        auto c = schema->Column(i);
        if (c->path()->ToDotVector() != wanted)
            continue;
        if (!is_text(c)) {
            tell(message, "column \"" + std::string(key) + "\" holds no text but " + kind_of(c) +
                              "; give another --text-key: " + columns(schema));
            return PARQUET_SHIM_NO_COLUMN;
        }
        f->column = i;
        f->max_level = c->max_definition_level();
        return PARQUET_SHIM_OK;
    }
    tell(message, "no column \"" + std::string(key) + "\"; give --text-key: " + columns(schema));
    return PARQUET_SHIM_NO_COLUMN;
}

// Goes to the next row group with rows; false at the end of the file.
bool next_group(parquet_shim *f)
{
    auto metadata = f->reader->metadata();

    while (f->left == 0) {
        if (f->values && f->values->HasNext())
            throw parquet::ParquetException("more values than rows");
        f->values.reset();
        f->rows.reset();
        if (f->group + 1 >= metadata->num_row_groups())
            return false;
        f->group++;
        auto group = metadata->RowGroup(f->group);
        f->left = group->num_rows();
        if (f->left < 0 || group->ColumnChunk(f->column)->num_values() != f->left)
            throw parquet::ParquetException("another number of values than of rows");
        if (f->left == 0)
            continue;
        f->rows = f->reader->RowGroup(f->group);
        f->values = std::dynamic_pointer_cast<parquet::ByteArrayReader>(f->rows->Column(f->column));
        if (!f->values)
            throw parquet::ParquetException("the column changes its type");
    }
    return true;
}

// Where it happened: Arrow does not say which page, so the column chunk it is.
std::string place(const parquet_shim *f)
{
    std::string where = "row " + std::to_string(f->row + 1);

    if (f->group < 0)
        return where;
    where += ", row group " + std::to_string(f->group + 1);
    try {
        auto chunk = f->reader->metadata()->RowGroup(f->group)->ColumnChunk(f->column);
        int64_t at = chunk->data_page_offset();
        if (chunk->has_dictionary_page() && chunk->dictionary_page_offset() > 0 &&
            chunk->dictionary_page_offset() < at)
            at = chunk->dictionary_page_offset();
        where += ", column chunk at byte " + std::to_string(at);
    } catch (...) {
        // then without
    }
    return where;
}

template <typename Work>
parquet_shim_status guarded(char *message, const parquet_shim *f, Work work)
{
    std::string what;

    try {
        return work();
    } catch (const std::bad_alloc &) {
        return PARQUET_SHIM_NOMEM;
    } catch (const std::exception &e) {
        what = e.what();
    } catch (...) {
        what = "unknown exception";
    }
    try {
        tell(message, (f ? place(f) + ": " : std::string()) + what);
    } catch (...) {
        return PARQUET_SHIM_NOMEM;
    }
    return PARQUET_SHIM_CORRUPT;
}

} // namespace

extern "C" {

enum parquet_shim_status parquet_shim_open(const char *path, const char *key, uint64_t memory,
                                           struct parquet_shim **ret_file,
                                           char message[PARQUET_SHIM_MESSAGE])
{
    parquet_shim *f = nullptr;
    auto status = guarded(message, nullptr, [&] {
        int64_t bound = memory > INT64_MAX / 2 ? INT64_MAX / 2 : static_cast<int64_t>(memory);
        f = new parquet_shim(bound);
        parquet::ReaderProperties properties(&f->pool);
        properties.enable_buffered_stream();
        properties.set_buffer_size(stream_buffer);
        properties.set_page_checksum_verification(true);
        auto file = arrow::io::ReadableFile::Open(path, &f->pool);
        if (!file.ok())
            throw parquet::ParquetException(file.status().ToString());
        f->reader = parquet::ParquetFileReader::Open(*file, properties);
        return find_column(f, key, message);
    });
    if (status == PARQUET_SHIM_OK)
        *ret_file = f;
    else
        parquet_shim_close(f);
    return status;
}

void parquet_shim_close(struct parquet_shim *f)
{
    char message[PARQUET_SHIM_MESSAGE];

    if (!f)
        return;
    (void)guarded(message, nullptr, [&] {
        delete f;
        return PARQUET_SHIM_OK;
    });
}

enum parquet_shim_status parquet_shim_next(struct parquet_shim *f,
                                           struct parquet_shim_value *values, uint64_t room,
                                           uint64_t *ret_count, char message[PARQUET_SHIM_MESSAGE])
{
    *ret_count = 0;
    return guarded(message, f, [&] {
        if (!next_group(f))
            return PARQUET_SHIM_OK;
        int64_t want = room < static_cast<uint64_t>(batch) ? static_cast<int64_t>(room) : batch;
        int64_t found = 0;
        if (want > f->left)
            want = f->left;
        int64_t rows =
            f->values->ReadBatch(want, f->levels.data(), nullptr, f->bytes.data(), &found);
        if (rows == 0)
            throw parquet::ParquetException("fewer values than rows");
        if (f->max_level == 0 && found != rows)
            throw parquet::ParquetException("fewer values than rows");
        int64_t next = 0;
        for (int64_t i = 0; i < rows; i++) {
            bool null = f->max_level > 0 && f->levels[i] < f->max_level;
            if (null) {
                values[i] = {nullptr, 0};
                continue;
            }
            if (next == found)
                throw parquet::ParquetException("fewer values than rows");
            const auto &b = f->bytes[next++];
            values[i] = {b.len ? b.ptr : reinterpret_cast<const uint8_t *>(""), b.len};
        }
        f->left -= rows;
        f->row += rows;
        *ret_count = static_cast<uint64_t>(rows);
        return PARQUET_SHIM_OK;
    });
}

} // extern "C"
