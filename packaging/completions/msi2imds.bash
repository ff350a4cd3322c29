# SPDX-License-Identifier: MIT
# Completion of msi2imds for bash 4.2 and later, with or without the package bash-completion.

_msi2imds() {
  local word=${COMP_WORDS[COMP_CWORD]} previous=${COMP_WORDS[COMP_CWORD - 1]} command= words=
  if [ "$COMP_CWORD" -gt 1 ]; then
    command=${COMP_WORDS[1]}
  fi
  if [ "$command" = policy ] && [ "$COMP_CWORD" -gt 2 ]; then
    command="policy ${COMP_WORDS[2]}"
  fi
  # bash makes three words of --option=value.
  if [ "$word" = = ]; then
    word=
  elif [ "$previous" = = ]; then
    previous=${COMP_WORDS[COMP_CWORD - 2]}
  fi

  # callers --merge takes files up to the next option.
  if [ "$command" = callers ] && [ "${word#-}" = "$word" ]; then
    local at=$((COMP_CWORD - 1))
    while [ "$at" -gt 1 ] && [ "${COMP_WORDS[at]#-}" = "${COMP_WORDS[at]}" ]; do
      at=$((at - 1))
    done
    if [ "${COMP_WORDS[at]}" = --merge ]; then
      previous=--merge
    fi
  fi

  COMPREPLY=()
  case $previous in
    --config | --html | --merge | --output | --program)
      compopt -o default # readline's own file names
      return
      ;;
    --user)
      mapfile -t COMPREPLY < <(compgen -u -- "$word")
      return
      ;;
    --identity)
      if [ "$command" = "policy test" ]; then
        mapfile -t COMPREPLY < <(compgen -W none -- "$word")
      fi
      return
      ;;
    --cgroup | --container | --container-image | --container-name | --gid | --resource | --sha256 | --uid | --unit | --wait) return ;;
  esac

  case $command in
    '') words="callers check-config detach doctor flush health metrics policy retire run status support verify --version" ;;
    callers) words="--config --csv --html --json --merge" ;;
    check-config) words="--config --origin" ;;
    metrics) words="--config --output" ;;
    detach) words="--config --purge --unless-held" ;;
    doctor | health | retire) words="--config --json" ;;
    flush) words="--config --identity --json --resource" ;;
    policy) words="test" ;;
    "policy test") words="--cgroup --config --container --container-image --container-name --gid --identity --json --program --resource --sha256 --uid --unit --user" ;;
    run) words="--config --observe" ;;
    status) words="--config --json --wait" ;;
    support) words="--config --output" ;;
    verify) words="--config --identity --json --resource" ;;
    *) return ;;
  esac
  mapfile -t COMPREPLY < <(compgen -W "$words --help" -- "$word")
}

complete -F _msi2imds msi2imds
