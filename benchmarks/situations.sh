#!/bin/bash
# What other build tools do in some of the situations of docs/situations.md: which steps ran, and what the export is made of.
#
#   benchmarks/situations.sh            with those of make, ninja, doit, dvc and snakemake that are on the PATH
#
# data.txt → model.txt (TRAIN; it takes a second, and writes its first half at once) → export.txt (EXPORT: in capitals)

project() {
  cat > train.sh <<'END'
echo TRAIN >> log; printf 'half ' > model.txt; sleep 1; printf 'whole ' >> model.txt; cat data.txt >> model.txt
END
  cat > export.sh <<'END'
echo EXPORT >> log; tr a-z A-Z < model.txt > export.txt
END
  printf 'export.txt: model.txt\n\t@sh export.sh\nmodel.txt: data.txt\n\t@sh train.sh\n' > Makefile
  cat > build.ninja <<'END'
rule train
  command = sh train.sh
rule export
  command = sh export.sh
build model.txt: train data.txt
build export.txt: export model.txt
default export.txt
END
  cat > dodo.py <<'END'
DOIT_CONFIG = {"default_tasks": ["export"]}
def task_train(): return {"actions": ["sh train.sh"], "file_dep": ["data.txt"], "targets": ["model.txt"]}
def task_export(): return {"actions": ["sh export.sh"], "file_dep": ["model.txt"], "targets": ["export.txt"]}
END
  cat > dvc.yaml <<'END'
stages:
  train: {cmd: sh train.sh, deps: [data.txt], outs: [model.txt]}
  export: {cmd: sh export.sh, deps: [model.txt], outs: [export.txt]}
END
  cat > Snakefile <<'END'
rule export:
    input: "model.txt"
    output: "export.txt"
    shell: "sh export.sh"
rule train:
    input: "data.txt"
    output: "model.txt"
    shell: "sh train.sh"
END
  echo data > data.txt
}

tell() { printf '  %-24s exit %-4s %-20s %s\n' "$1" "$2" "$(tr '\n' ' ' < log)" "$(cat export.txt 2>/dev/null)"; : > log; }

# Each situation begins in a project of its own that was built and is up to date.
begin() {
  cd "$(mktemp -d "$TOP/XXXX")" || exit 1
  project
  [ "$1" = dvc ] && git init -q . && dvc init -q
  "$@" > said 2>&1
  : > log
  sleep 1.1 # for those that count whole seconds
}

killed() {
  rm -f model.txt; echo more > data.txt
  setsid "$@" > said 2>&1 &
  run=$!
  until grep -q TRAIN log; do sleep 0.1; done
  sleep 0.3
  kill -9 -- -$run
  wait $run
  sleep 1
  : > log
}

situations() {
  echo "$*"
  begin "$@"; touch data.txt; "$@" > said 2>&1; tell "touched" $?
  begin "$@"; echo othe > data.txt; touch -d 2001-01-01 data.txt; "$@" > said 2>&1; tell "edit under an older time" $?
  begin "$@"; echo rubbish > export.txt; "$@" > said 2>&1; tell "edited output" $?
  begin "$@"; killed "$@" 2> /dev/null; "$@" > said 2>&1; tell "run after kill -9" $?
  begin "$@"; echo more > data.txt; "$@" > said 2>&1 & "$@" > said2 2>&1; code=$?; wait; tell "started twice" $code
  begin "$@"; echo more > data.txt; "$@" > said 2>&1; echo data > data.txt; : > log; "$@" > said 2>&1; tell "went back" $?
}

TOP=$(mktemp -d)
trap 'rm -rf "$TOP"' EXIT
for tool in "make -s" ninja doit "dvc repro" "snakemake -c1"; do
  command -v ${tool%% *} > /dev/null && situations $tool
done
