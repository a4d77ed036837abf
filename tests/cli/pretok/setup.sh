# Read with `.` by the tests of pretok; the scripts are called with PRETOK NGT-DUMP. Makes in $work:
#   tok.model other.model    Llama 2's and another one from the shared data, or small ones trained here; exit 77 without
#   in/a.jsonl in/b/c.jsonl in/d.jsonl    3000 records
pretok=$(realpath "$1") dump=$(realpath "$2")
. "$(dirname "$0")/../check.sh"
# a test that runs inside a job is not a task of it
unset $(env | sed -n 's/^\(\(SLURM\|OMPI\|PMIX*\)_[A-Z0-9_]*\)=.*/\1/p') NGT_NOTHING
shared=${NGT_SHARED:-$(dirname "$0")/../../../../shared}

train() { # NAME SIZE
    command -v spm_train >/dev/null || { echo "skipped: no shared data, no spm_train (package sentencepiece)"; exit 77; }
    cat "$work"/in/*.jsonl | cut -d'"' -f6 >"$work/words"
    spm_train --input="$work/words" --model_prefix="$work/$1" --vocab_size="$2" --model_type=bpe --byte_fallback=true \
        --hard_vocab_limit=false --num_threads=1 >/dev/null 2>&1 || exit 99
}

mkdir -p "$work/in/b"
awk -v in_="$work/in" 'BEGIN {
    srand(11)
    split("the of and a to in he was that it his her with as had for she not at but be on they have him which said", w, " ")
    for (i = 0; i < 3000; i++) {
        n = int(rand() * 60); t = ""
        for (k = 0; k < n; k++) t = t w[int(rand() * 27) + 1] (rand() < .1 ? ".\\n" : " ")
        f = i < 1200 ? "a" : i < 2000 ? "b/c" : "d"
        printf "{\"id\":%d,\"text\":\"%s\",\"meta\":{\"set\":\"x\"}}\n", i, t > (in_ "/" f ".jsonl")
    }
}'
data=$shared/data/tokenizers
if [ -f "$data/sp_llama2.model.zst" ] && command -v zstd >/dev/null; then
    zstd -dqc "$data/sp_llama2.model.zst" >"$work/tok.model"
    zstd -dqc "$data/sp_mistral-v3.model.zst" >"$work/other.model"
else
    train tok 320
    train other 300
fi

# A set's bytes: every file but the plan, which has times and paths in it.
bytes_of() {
    (cd "$1" && find . -type f ! -name 'plan.*' | sort | xargs cksum)
}
same_set() { # DIR DIR
    bytes_of "$1" >"$work/set1"
    bytes_of "$2" >"$work/set2"
    cmp -s "$work/set1" "$work/set2" || {
        complain "$1 and $2 differ"
        diff "$work/set1" "$work/set2" | head -6 >&2
    }
}
no_temporaries() {
    [ -z "$(find "$1" -name '*.tmp.*')" ] || complain "temporaries left in $1"
}
small="--unit-bytes 60000 --shard-tokens 20000" # many units, several shards in each
