#!/bin/sh
# An experiment as a Slurm job array: each task runs one part of the cells.
#
#   sbatch --array=0-15 slurm.sh policies.toml /shared/out
#   upshift lab merge /shared/out -o results.jsonl          # when the array has ended
#
# The folder is shared by all tasks; each writes a file of its own in it. Tasks that were killed or
# preempted go on where they were when the array is submitted again. For times by the clock a task
# needs its node alone (--exclusive), and all nodes must be alike: else merge with --by-machine.
#SBATCH --job-name=upshift-lab
#SBATCH --ntasks=1
#SBATCH --cpus-per-task=2
#SBATCH --requeue
#SBATCH --output=upshift-%A_%a.log
set -eu
experiment=$1
output=$2
upshift=${UPSHIFT:-upshift}
exec "$upshift" lab run "$experiment" -o "$output" --shard slurm --resume
