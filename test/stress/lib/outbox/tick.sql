select handoff.tick();
\sleep 50 ms
