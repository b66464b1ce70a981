# A picture of one run: gnuplot -c bench/plot_run.gp DIR OUT.svg
# Left: importance of every agent over rounds. Right: test accuracy in the federation
# (solid) and alone (dashed), at the rounds that were evaluated.
rounds = ARG1 . "/rounds.csv"
set terminal svg size 960,400 font "sans-serif,12" background "#ffffff"
set output ARG2
stats sprintf("< awk -F, 'NR > 1 {print $2}' '%s'", rounds) using 1 nooutput
last = int(STATS_max)
array colour[6] = ["#0072b2", "#e69f00", "#009e73", "#cc79a7", "#d55e00", "#56b4e9"]
# Rows "round value" of one agent and column, without the rounds that have no value.
series(agent, column) = sprintf("< awk -F, '$2 == \"%d\" && $%d != \"\" {print $1, $%d}' '%s'", \
                                agent, column, column, rounds)
samples(agent) = system(sprintf("awk -F, '$2 == \"%d\" {print $3; exit}' '%s'", agent, rounds))
set multiplot layout 1,2
set grid ytics lc rgb "#dddddd"
set border 3
set tics nomirror
set xlabel "round"
set key bottom right samplen 1.5
set title "importance r"
set yrange [0:]
plot for [i=0:last] series(i, 6) using 1:2 with lines lw 2 lc rgb colour[1 + i % 6] \
     title sprintf("agent %d (%s samples)", i, samples(i))
set title "test accuracy: together (solid), alone (dashed)"
set yrange [*:1]
unset key
plot for [i=0:last] series(i, 16) using 1:2 with linespoints pt 7 ps 0.5 lw 2 lc rgb colour[1 + i % 6], \
     for [i=0:last] series(i, 18) using 1:2 with lines dt 2 lw 2 lc rgb colour[1 + i % 6]
