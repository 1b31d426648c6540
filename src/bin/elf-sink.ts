import { launch } from '../cli/launch.js'

launch(import('../sinks/elf-sink.js'))
