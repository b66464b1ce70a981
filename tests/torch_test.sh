#!/usr/bin/env bash
# torch_test.sh EXPORT EXPORT_DOUBLE [--full]: federations of cgsv beside the same in PyTorch, by the
# python3 in $CGSV_TORCH_PYTHON; exit code 77 where there is no PyTorch.
exec "${CGSV_TORCH_PYTHON:-python3}" "$(dirname "$0")/torch_federation.py" "$@"
