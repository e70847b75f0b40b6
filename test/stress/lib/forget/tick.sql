select handoff.tick();
